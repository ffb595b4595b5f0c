"""Names of hydra-optuna-sweeper, which cannot be installed beside ours: it needs an old Optuna."""
