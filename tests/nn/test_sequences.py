"""Ragged data: padded, sorted, in batches; predictions as of each sequence alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_diagrams import random_lstm

import blocksim as bs
from blocksim import nn
from blocksim.errors import InputError
from blocksim.nn import reference

SEEDS = st.integers(0, 2**32 - 1)
quick = settings(max_examples=25, deadline=None)


def ragged(seed, count, shape=(3,), least=1, most=15):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(rng.integers(least, most), *shape)) for _ in range(count)]


# -- padding, sorting, batches ---------------------------------------------------------------------


@quick
@given(
    SEEDS, st.integers(1, 6), st.sampled_from(["longest", "shortest", 1, 4, 20]), st.booleans(),
    st.sampled_from([(), (2,), (2, 3)]),
)  # fmt: skip
def test_pad(seed, count, length, right, shape):
    sequences = ragged(seed, count, shape, least=0)
    sizes = [len(s) for s in sequences]
    steps = {"longest": max(sizes), "shortest": min(sizes)}.get(length, length)
    padded = nn.pad(sequences, length, side="right" if right else "left", value=-7.0)
    assert padded.values.shape == (count, steps, *shape)
    for row, n, sequence, back in zip(
        padded.values, padded.lengths, sequences, padded.sequences(), strict=True
    ):
        assert n == min(len(sequence), steps)
        kept = sequence[:n] if right else sequence[len(sequence) - n :]
        filling = np.full((steps - n, *shape), -7.0)
        expected = [kept, filling] if right else [filling, kept]
        np.testing.assert_array_equal(row, np.concatenate(expected))
        np.testing.assert_array_equal(back, kept)


def test_integers_stay_integers():
    padded = nn.pad([[1, 2], [3]])
    assert padded.values.dtype.kind == "i"
    assert nn.pad([[1, 2], [3.5]]).values.dtype == float
    with pytest.raises(InputError, match=r"pad, value .*a number that int64 holds, got float 0\.5"):
        nn.pad([[1, 2], [3]], value=0.5)


@quick
@given(SEEDS, st.integers(1, 30), st.integers(1, 7), st.booleans(), st.booleans())
def test_batches_hold_every_sequence_once(seed, count, size, sort, streamed):
    sequences = ragged(seed, count)
    found = {}
    sizes = []
    for batch in nn.batches(iter(sequences) if streamed else sequences, size, sort=sort):
        assert len(batch.values) <= size
        assert batch.values.shape[1] == max(batch.lengths)
        found |= dict(zip(batch.index.tolist(), batch.sequences(), strict=True))
        sizes += batch.lengths.tolist()
    assert sorted(found) == list(range(count))
    for i, sequence in enumerate(sequences):
        np.testing.assert_array_equal(found[i], sequence)
    assert sizes == (sorted if sort else list)([len(s) for s in sequences])


def test_batches_read_no_more_than_they_need():
    read = []

    def source():
        for i in range(10_000):
            read.append(i)
            yield np.zeros((1 + i % 5, 2))

    first = next(nn.batches(source(), 4))
    assert len(read) == 200
    assert first.values.shape == (4, 1, 2)
    read.clear()
    bad = nn.batches(iter([np.zeros((1, 2))] * 300 + [np.zeros((1, 3))]), 1)
    with pytest.raises(InputError, match=r"batches, sequence 300 .*\(T, 2\).*\(1, 3\)"):
        list(bad)


def test_sort_by_length():
    sequences = [[1.0, 2.0], [3.0], [4.0, 5.0], []]
    found, order = nn.sort_by_length(sequences)
    assert order.tolist() == [3, 1, 0, 2]
    assert [a.tolist() for a in found] == [[], [3.0], [1.0, 2.0], [4.0, 5.0]]


def test_labels():
    scores = np.random.default_rng(0).normal(size=(4, 5, 3))
    labels = nn.to_labels(scores, ["a", "b", "c"])
    assert labels.shape == (4, 5)
    assert labels[1, 2] == "abc"[np.argmax(scores[1, 2])]
    several = nn.to_labels(list(scores[:, 0]), [7, 8, 9])
    assert several == [7 + np.argmax(s) for s in scores[:, 0]]


BAD = [
    (lambda: nn.pad([]), "pad", "a list of arrays", "list []"),
    (lambda: nn.pad(np.zeros((2, 3))), "pad", "a list of arrays", "(2, 3)", "a list of one"),
    (lambda: nn.pad([[1.0], [[2.0]]]), "pad, sequence 1", "(T, )", "shape (1, 1)", "the first axis is time"),
    (lambda: nn.pad([np.ones((2, 3)), np.ones((2, 4))]), "sequence 1", "(T, 3)", "shape (2, 4)"),
    (lambda: nn.pad([1.0]), "pad, sequence 0", "(T, ...)", "1.0"),
    (lambda: nn.pad([["a"]]), "pad, sequence 0", "numbers", "['a']"),
    (lambda: nn.pad([[1.0], [1.0, np.nan]]), "pad, sequence 1", "finite numbers", "nan at index [1]"),
    (lambda: nn.pad([[1.0]], "long"), "pad, length", "'longest', 'shortest' or an integer", "'long'"),
    (lambda: nn.pad([[1.0]], 0), "pad, length", "of at least 1", "int 0"),
    (lambda: nn.pad([[1.0]], True), "pad, length", "of at least 1", "bool True"),
    (lambda: nn.pad([[1.0]], side="top"), "pad, side", "'right' or 'left'", "'top'"),
    (lambda: nn.batches([[1.0]], 0), "batches, size", "at least 1", "int 0"),
    (lambda: nn.batches(3, 1), "batches", "sequences, one after the other", "int 3"),
    (lambda: nn.to_labels([[1.0, 2.0]], ["a"]), "to_labels, scores", "(..., 1), for 1 classes", "(1, 2)"),
    (lambda: nn.to_labels([np.ones(2), np.ones(3)], "ab"), "to_labels", "classes", "shape (2,)"),
    (lambda: bs.predict(3, [[1.0]]), "predict, network", "a diagram, or a function", "int 3"),
    (lambda: bs.predict(nn.relu(), [[1.0], []]), "predict, sequence 1", "at least one step", "none"),
    (lambda: bs.predict(nn.relu(), [[1.0]], output="z"), "network 'relu', output", "'z'", "'y'"),
    (lambda: bs.predict(pair(), [[1.0]]), "network 'pair'", "one input", "a, b", "Run it with simulate"),
    (lambda: bs.predict(fixed(), [np.ones((3, 1)), np.ones((5, 1))]), "sequence 1", "at most 4 steps", "5"),
    (lambda: bs.forecast(nn.relu(), [1.0], 0), "forecast, steps", "at least 1", "int 0"),
    (lambda: bs.forecast(nn.dense([[1.0, 0.0]], [0.0]), [[1.0, 2.0]], 2), "forecast", "(2,)", "(1,)"),
    (lambda: bs.forecast(nn.relu(), [1.0], 2, observed=[[1.0]]), "forecast, observed", "(T, )", "(1, 1)"),
]


def pair():
    d = bs.Diagram("pair")
    d.output("y", d.add("y", bs.library.Sum(), d.input("a"), d.input("b")))
    return d


def fixed():
    return nn.sequential([nn.last()], steps=4, shape=1)


@pytest.mark.parametrize(("call", "fragments"), [(m, f) for m, *f in BAD])
def test_bad_data(call, fragments):
    with pytest.raises(InputError) as caught:
        call()
    message = str(caught.value)
    for fragment in fragments:
        assert fragment in message, message


# -- predictions -----------------------------------------------------------------------------------


def classifier(seed):
    rng = np.random.default_rng(seed)
    return [
        nn.normalize(mean=rng.normal(size=3), std=rng.uniform(0.5, 2.0, 3)),
        nn.conv1d(rng.normal(size=(4, 3, 3)), rng.normal(size=4), padding="same", stride=2),
        nn.bidirectional(nn.lstm(**random_lstm(rng, 4, 3)), nn.lstm(**random_lstm(rng, 4, 2))),
        nn.last(),
        nn.dense(rng.normal(size=(2, 5)), rng.normal(size=2)),
        nn.softmax(),
    ]


@quick
@given(SEEDS, st.integers(1, 9), st.integers(1, 4))
def test_a_ragged_batch_is_each_sequence_alone(seed, count, size):
    layers, sequences = classifier(seed), ragged(seed, count)
    scores = bs.predict(lambda T: nn.sequential(layers, steps=T, shape=3), sequences, size)
    for x, y in zip(sequences, scores, strict=True):
        d = nn.sequential(layers, steps=len(x), shape=3)
        alone = bs.simulate(d, {"x": x[None], "length": [len(x)]})["y"][0]
        np.testing.assert_array_equal(y, alone)
    network = nn.sequential(layers, steps=20, shape=3)
    for given_as in (sequences, nn.pad(sequences), nn.pad(sequences, side="left", value=7.0)):
        np.testing.assert_array_equal(bs.predict(network, given_as, size), scores)
    moved = nn.pad(sequences, 20, side="left", value=7.0).to("right")
    found = bs.simulate(network, {"x": moved.values[:, None], "length": moved.lengths[:, None]})["y"][:, 0]
    np.testing.assert_array_equal(found, scores)


@quick
@given(SEEDS, st.integers(1, 9), st.integers(1, 4))
def test_steps_and_sequences_are_cut_to_their_lengths(seed, count, size):
    rng = np.random.default_rng(seed)
    W, sequences = random_lstm(rng, 3, 2), ragged(seed, count)
    expected = [reference.lstm(x, **W)[0] for x in sequences]
    cell = nn.lstm(**W)
    for network in (cell, lambda T: nn.sequential([cell], steps=T)):
        found = bs.predict(network, iter(sequences), size, output="h")
        for x, h, y in zip(sequences, expected, found, strict=True):
            assert len(y) == len(x)
            np.testing.assert_allclose(y, h, atol=1e-12)
    first = bs.simulate(cell, {"x": sequences[0]})["h"]
    np.testing.assert_array_equal(bs.predict(cell, sequences, size)[0], first)


def test_predictions_of_the_compiled_engine():
    layers, sequences = classifier(0), ragged(0, 7)
    make = lambda T: nn.sequential(layers, steps=T, shape=3)  # noqa: E731
    scores = [bs.predict(make, sequences, 3, engine=engine) for engine in ("numpy", "jax")]
    np.testing.assert_allclose(*scores, rtol=0, atol=1e-12)


def test_words():
    rng = np.random.default_rng(0)
    E, W = rng.normal(size=(9, 3)), random_lstm(rng, 3, 2)
    layers = [nn.embedding(E), nn.lstm(**W), nn.last()]
    sequences = [rng.integers(0, 9, n) for n in (4, 1, 6)]
    found = bs.predict(lambda T: nn.sequential(layers, steps=T), sequences)
    for words, y in zip(sequences, found, strict=True):
        np.testing.assert_allclose(y, reference.lstm(E[words], **W)[0][-1], atol=1e-12)


@pytest.mark.parametrize("engine", ["numpy", "jax"])
def test_a_predictor_carries_its_state(engine):
    W = random_lstm(np.random.default_rng(0), 3, 2)
    x = np.random.default_rng(1).normal(size=(12, 3))
    h, c = reference.lstm(x, **W)
    predictor = bs.Predictor(nn.lstm(**W), engine=engine, output="c")
    for _ in range(2):
        parts = [predictor.predict(x[a:b]) for a, b in ((0, 5), (5, 6), (6, 12))]
        np.testing.assert_allclose(np.concatenate(parts), c, atol=1e-12)
        np.testing.assert_allclose(predictor.state["hidden_state"], h[-1], atol=1e-12)
        predictor.reset()
    middle = bs.Predictor(
        nn.lstm(**W), initial_state={"hidden_state": h[4], "cell_state": c[4]}, engine=engine
    )
    np.testing.assert_allclose(middle.predict(x[5:]), h[5:], atol=1e-12)
    both = bs.Predictor(nn.lstm(**W), engine=engine)
    both.predict(np.stack([x[:5], x[1:6]]))
    np.testing.assert_allclose(both.predict(np.stack([x[5:], x[5:]]))[0], h[5:], atol=1e-12)


@pytest.mark.parametrize("engine", ["numpy", "jax"])
def test_forecasts(engine):
    rng = np.random.default_rng(0)
    W, K, k = random_lstm(rng, 2, 4), rng.normal(size=(2, 4)), rng.normal(size=2)
    d = nn.sequential([nn.lstm(**W), nn.dense(K, k)])
    x, later = rng.normal(size=(6, 2)), rng.normal(size=(3, 2))

    def following(known):
        return reference.lstm(np.array(known), **W)[0][-1] @ K.T + k

    known, closed = list(x), []
    for _ in range(7):
        closed.append(following(known))
        known.append(closed[-1])
    np.testing.assert_allclose(bs.forecast(d, x, 7, engine=engine), closed, atol=1e-12)
    known, opened = list(x), []
    for step in range(7):
        opened.append(following(known))
        known.append(later[step] if step < 3 else opened[-1])
    np.testing.assert_allclose(bs.forecast(d, x, 7, observed=later, engine=engine), opened, atol=1e-12)
    np.testing.assert_allclose(bs.forecast(d, x, 2, observed=later, engine=engine), opened[:2], atol=1e-12)
    params = {"dense/b": {"value": k + 1}}
    other = nn.sequential([nn.lstm(**W), nn.dense(K, k + 1)])
    expected = bs.forecast(other, x, 4, engine=engine)
    np.testing.assert_allclose(bs.forecast(d, x, 4, params=params, engine=engine), expected, atol=1e-12)


# -- activations -----------------------------------------------------------------------------------


def test_activations_by_layer(tmp_path):
    rng = np.random.default_rng(0)
    W, K, k = random_lstm(rng, 2, 4), rng.normal(size=(3, 4)), rng.normal(size=3)
    x = rng.normal(size=(6, 2))
    h, _ = reference.lstm(x, **W)
    steps = bs.activations(nn.sequential([nn.lstm(**W), nn.dense(K, k)]), x)
    np.testing.assert_allclose(steps["lstm"], h, atol=1e-12)
    np.testing.assert_allclose(steps["dense"], h @ K.T + k, atol=1e-12)
    assert len(steps.plot(tmp_path / "steps.png").axes) == 2
    layers = [nn.lstm(**W), nn.max_pool1d(2), nn.relu(), nn.last(), nn.dense(K, k)]
    whole = bs.activations(nn.sequential(layers, steps=9), x, engine="jax")
    np.testing.assert_allclose(whole["lstm"], h, atol=1e-12)
    pooled = h.reshape(3, 2, 4).max(1)
    np.testing.assert_allclose(whole["max_pool1d"], pooled, atol=1e-12)
    np.testing.assert_allclose(whole["relu"], np.maximum(pooled, 0), atol=1e-12)
    np.testing.assert_allclose(whole["dense"], np.maximum(pooled[-1], 0) @ K.T + k, atol=1e-12)
    assert len(whole.time) == 6
    assert whole.plot(tmp_path / "whole.png").axes
