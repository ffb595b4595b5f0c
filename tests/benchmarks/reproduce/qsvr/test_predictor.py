import numpy as np
import pytest
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import QuantileTransformer

from benchmarks.reproduce.qsvr.predictor import predict

POINT = {"gamma": 1.0, "epsilon": 0.25, "c": 2.0}


@pytest.fixture(scope="module")
def published_space(curves_csv):
    """The published protocol: 295 trainings, 13 losses of each, loss_98; quantiles of all rows."""
    table = np.genfromtxt(curves_csv, delimiter=",", names=True)
    losses = np.stack([table[f"loss_{epoch}"] for epoch in range(100)], axis=1)
    losses = np.delete(losses, losses[:, 99].argmax(), axis=0)
    scaler = QuantileTransformer(n_quantiles=50, random_state=0)
    return scaler.fit_transform(losses[:, :25:2]), scaler.fit_transform(losses[:, [98]]).ravel()


def test_recorded_multipliers_of_the_annealer_give_the_stored_scores(published_space, qpu):
    x, y = published_space
    with np.load(qpu / "single20.npz", allow_pickle=False) as recorded:
        scores = np.zeros((7, 10))
        for split in range(10):
            _, _, epsilon, gamma, c = recorded[f"params{split}"]
            seed = int(recorded["split_seed"]) + split
            _, test = train_test_split(np.arange(len(y)), test_size=0.5, random_state=seed)
            for method, alphas in enumerate(recorded[f"alphas{split}"]):
                train_x, train_y = recorded[f"X{split}"], recorded[f"y{split}"]
                predicted = predict(
                    x[test], train_x, train_y, alphas, gamma=gamma, epsilon=epsilon, c=c
                )
                scores[method, split] = r2_score(predicted, y[test])  # arguments swapped
        np.testing.assert_allclose(scores, recorded["r2_published"], rtol=0, atol=1e-9)


def test_the_bias_counts_a_point_with_both_multipliers_twice_and_none_at_c():
    far = [[0.0], [100.0], [200.0]]  # kernel 0 between them: f(x_n) = delta_n
    alphas = [[1.5, 0.0, 2.0], [0.5, 1.0, 1e-9]]
    bias = (2 * (3.0 - 0.25 - 1.0) + (5.0 - 0.25 + 1.0)) / 3
    np.testing.assert_allclose(
        predict([[0.0], [50.0]], far, [3.0, 5.0, 7.0], alphas, **POINT), [1.0 + bias, bias]
    )


def test_no_free_multiplier_on_one_side_is_an_error():
    with pytest.raises(ValueError, match=r"between 0 and C = 2\.0: no bias"):
        predict([[0.0]], [[0.0]], [1.0], [[1.0], [0.0]], **POINT)


def test_multipliers_of_another_number_of_samples_are_rejected():
    with pytest.raises(ValueError, match=r"alphas must be \(2, 1\), got shape \(2, 2\)"):
        predict([[0.0]], [[0.0]], [1.0], np.ones((2, 2)), **POINT)
