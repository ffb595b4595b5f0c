"""Gradient-boosted trees on hand-made features: the yardstick for tower classification.

Each tower sees its own energies and position, its nearest tracks, and the sums of track momenta
and tower energies within several distances in (eta, phi) at the calorimeter face.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree
from sklearn.ensemble import HistGradientBoostingClassifier

from mlpf.data.events import Events
from mlpf.schema import ElementType

RADII = (0.02, 0.05, 0.1, 0.2)
N_NEAREST = 5


def tower_features(events: Events) -> NDArray[np.float64]:
    """Return one row of features per tower of `events`, shape (T, 4 + 10 + 12)."""
    return np.concatenate([_event_features(events.x[a:b]) for a, b in pairwise(events.offsets)])


def tower_classes(events: Events) -> NDArray[np.int64]:
    """Return the true class of each tower, shape (T,)."""
    towers = events.x[:, 0] == ElementType.TOWER
    classes: NDArray[np.int64] = events.ygen[towers, 0].astype(np.int64)
    return classes


def train_trees(events: Events, seed: int) -> HistGradientBoostingClassifier:
    """Return trees (63 leaves, early stopping) trained on all towers of `events`."""
    trees = HistGradientBoostingClassifier(
        max_leaf_nodes=63, learning_rate=0.05, max_iter=400, early_stopping=True, random_state=seed
    )
    return trees.fit(tower_features(events), tower_classes(events))


def _event_features(x: NDArray[np.float32]) -> NDArray[np.float64]:
    track, tower = x[:, 0] == ElementType.TRACK, x[:, 0] == ElementType.TOWER
    tracks, towers = x[track].astype(np.float64), x[tower].astype(np.float64)
    at_tracks = _face_position(tracks[:, 6], tracks[:, 7], tracks[:, 8])
    at_towers = _face_position(towers[:, 2], towers[:, 3], towers[:, 4])
    own = np.stack([towers[:, 5], towers[:, 6], towers[:, 7], np.abs(towers[:, 2])], axis=1)
    columns = [own, _nearest_tracks(at_towers, at_tracks, tracks[:, 5])]
    for radius in RADII:
        columns.append(_sums_within(radius, at_towers, at_tracks, tracks[:, 5:6]))
        columns.append(_sums_within(radius, at_towers, at_towers, towers[:, 6:8]))
    return np.concatenate(columns, axis=1)


def _face_position(
    eta: NDArray[Any], sin_phi: NDArray[Any], cos_phi: NDArray[Any]
) -> NDArray[np.float64]:
    return np.stack([eta, np.mod(np.arctan2(sin_phi, cos_phi), 2 * np.pi)], axis=1)


def _tree(points: NDArray[np.float64]) -> cKDTree:
    return cKDTree(
        points, boxsize=np.array([0.0, 2 * np.pi + 1e-9])
    )  # phi is periodic, eta is not


def _nearest_tracks(
    towers: NDArray[np.float64], tracks: NDArray[np.float64], momentum: NDArray[np.float64]
) -> NDArray[np.float64]:
    if not len(tracks):
        return np.zeros((len(towers), 2 * N_NEAREST))
    distance, index = _tree(tracks).query(towers, k=N_NEAREST, distance_upper_bound=1.0)
    return np.concatenate([np.minimum(distance, 1.0), np.append(momentum, 0.0)[index]], axis=1)


def _sums_within(
    radius: float,
    towers: NDArray[np.float64],
    points: NDArray[np.float64],
    values: NDArray[np.float64],
) -> NDArray[np.float64]:
    if not len(points) or not len(towers):
        return np.zeros((len(towers), values.shape[1]))
    near = _tree(towers).sparse_distance_matrix(_tree(points), radius, output_type="coo_matrix")
    ones = (np.ones(near.nnz), (near.row, near.col))
    return np.asarray(csr_matrix(ones, shape=near.shape) @ values)
