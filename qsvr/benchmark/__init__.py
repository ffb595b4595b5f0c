"""How well the end of a learning curve is predicted: `python -m qsvr.benchmark --help`.

Three protocols, named in every row:

- published: that of https://github.com/JP-Amboage/performance-pred, defects included: R2 with its
  arguments swapped, scalers fitted on all rows, the target the last epoch but one, the worst
  training left out, trainings with equal hyperparameters on both sides of a split.
- quantile: the same rows, scales, splits and target, R2 with the right order of arguments.
- corrected: all rows, scalers fitted on the training rows, the target the last epoch, no
  configuration of hyperparameters on both sides of a split.
"""
