"""A plain PyTorch training loop, searched with Optuna's interface and no configuration files.

python search.py [n_trials]

Start it in several terminals or jobs, even on several machines: they share the study in the folder
`search` and stop together after `n_trials` trials. An interrupted one goes on when it is started
again.
"""

import sys

import optuna
import torch

import hpo

EPOCHS = 9
N_TRIALS = 12


def make_data() -> tuple[torch.Tensor, torch.Tensor]:
    """Return 512 points of the plane and whether each lies in the unit circle."""
    points = 2 * torch.rand(512, 2, generator=torch.Generator().manual_seed(1)) - 1
    return points, (points.square().sum(1) < 0.6).float()


def objective(trial: optuna.Trial) -> float:
    """Train a small network; return its loss after the last epoch."""
    width = trial.suggest_int("width", 2, 64, log=True)
    lr = trial.suggest_float("lr", 1e-4, 1.0, log=True)
    torch.manual_seed(trial.number)
    network = torch.nn.Sequential(
        torch.nn.Linear(2, width), torch.nn.ReLU(), torch.nn.Linear(width, 1)
    )
    optimizer = torch.optim.Adam(network.parameters(), lr)
    checkpoint, first = trial.folder() / "last.pt", 1
    if checkpoint.exists():  # this trial was interrupted or paused
        state = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["epoch"] + 1
    points, inside = make_data()
    loss = torch.tensor(float("nan"))
    for epoch in range(first, EPOCHS + 1):
        for batch in torch.arange(512).split(64):
            optimizer.zero_grad()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                network(points[batch]).squeeze(1), inside[batch]
            )
            loss.backward()
            optimizer.step()
        state = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
        partial = checkpoint.with_suffix(".part")
        torch.save({**state, "epoch": epoch}, partial)
        partial.replace(checkpoint)  # a reader never sees half a file
        trial.report(loss.item(), epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return loss.item()


def main() -> None:
    """Work on the study until it is finished."""
    n_trials = int(sys.argv[1]) if len(sys.argv) > 1 else N_TRIALS
    study = hpo.optimize(
        objective,
        study_name="circle",
        storage="search/journal.log",
        folder="search",
        n_trials=n_trials,
        pruner=hpo.AshaPruner(),
    )
    print(f"best loss {study.best_value:.4f} with {study.best_params}")


if __name__ == "__main__":
    main()
