"""A Hydra application without MLPF: twenty "epochs" towards a minimum at x = 2, lr = 0.01."""

import math

import hydra
from omegaconf import DictConfig

import hpo


@hydra.main(config_path=".", config_name="app", version_base="1.3")
def main(cfg: DictConfig) -> float:
    loss = math.inf
    for epoch in range(cfg.epochs):
        loss = (cfg.x - 2) ** 2 + (math.log10(cfg.lr) + 2) ** 2 + 1 / (epoch + 1)
        hpo.report_value(loss, step=epoch + 1)
    return loss


if __name__ == "__main__":
    main()
