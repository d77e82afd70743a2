"""The losses, each from its equation. N examples, D features, C classes.

``student``, ``teacher`` and ``layers`` are one array (N, ...) or a list of them; a list gives the
mean over its taps.
"""

from __future__ import annotations

import math

import numpy as np

from tests.oracles import graphs, signals


def taps_of(features):
    """The taps as a list, whether one array, a list or a mapping came."""
    if isinstance(features, dict):
        return list(features.values())
    return list(features) if isinstance(features, (list, tuple)) else [features]


def mean_over_taps(loss, student, teacher):
    """The mean of ``loss`` over pairs of taps."""
    values = [loss(s, t) for s, t in zip(taps_of(student), taps_of(teacher), strict=True)]
    return sum(values) / len(values)


def smooth_l1(x):
    """x^2 / 2 where |x| < 1, else |x| - 1/2."""
    return x * x / 2.0 if abs(x) < 1.0 else abs(x) - 0.5


def softmax(row, temperature):
    """exp(z_c / T) / sum."""
    top = max(row)
    terms = [math.exp((value - top) / temperature) for value in row]
    return [term / sum(terms) for term in terms]


def label_difference(labels, i, j):
    """|y_i - y_j|^2 / 2: for hard labels 1 where they differ, else 0."""
    labels = np.asarray(labels)
    if labels.ndim == 1:
        return 1.0 if labels[i] != labels[j] else 0.0
    return sum((float(a) - float(b)) ** 2 for a, b in zip(labels[i], labels[j], strict=True)) / 2.0


def matrix_power(a, power):
    """A^p."""
    out = a
    for _ in range(power - 1):
        out = signals.product(out, a)
    return out


def graph_distillation_loss(
    student,
    teacher,
    *,
    spec=None,
    power=1,
    edges="all",
    labels=None,
    mask_from="own",
    reduction="sum",
):
    """Mean over taps of |(A_T)^p - (A_S)^p|_F^2; ``spec`` is a dict of graph options."""
    spec = spec or {}
    within = None if edges == "all" else graphs.class_edges(labels, edges)

    def one(s, t):
        a_t, mask = graphs.graph_and_edges(t, within=within, **spec)
        a_s = graphs.latent_geometry_graph(
            s, within=within, mask=mask if mask_from == "teacher" else None, **spec
        )
        p_t, p_s = matrix_power(a_t, power), matrix_power(a_s, power)
        total = 0.0
        for i in range(len(p_t)):
            for j in range(len(p_t)):
                total += (p_t[i, j] - p_s[i, j]) ** 2
        return total / len(p_t) ** 2 if reduction == "mean" else total

    return mean_over_taps(one, student, teacher)


def graph_smoothness_loss(embeddings, labels, *, alpha=1.0, k=None, reduction="mean"):
    """Sum over ordered pairs of |y_i - y_j|^2 / 2 * exp(-alpha |x_i - x_j|)."""
    rows = graphs.flatten(embeddings)
    count = len(rows)
    w = np.zeros((count, count))
    for i in range(count):
        for j in range(count):
            w[i, j] = math.exp(-alpha * graphs.distance(rows[i], rows[j]))
    edges = np.ones((count, count), dtype=bool)
    if k is not None:
        closeness = -graphs.pairwise_distances(rows)
        chosen = graphs.nearest(closeness, [True] * count, edges, k, include_self=False)
        edges = graphs.symmetrised_edges(chosen, "union")
    total, pairs = 0.0, 0.0
    for i in range(count):
        for j in range(count):
            if i == j:
                continue
            difference = label_difference(labels, i, j)
            pairs += difference
            if edges[i, j]:
                total += difference * w[i, j]
    if reduction == "sum":
        return total
    return total / pairs if pairs > 0.0 else 0.0


def smoothness_variation_loss(layers, labels, *, power=2, spec=None):
    """Mean over consecutive layers of |sigma_i - sigma_(i-1)|, sigma = tr(Y^T L^m Y)."""
    if spec is None:
        spec = {"normalization": None, "include_self": True}
    y = signals.label_indicators(labels)
    sigmas = []
    for layer in taps_of(layers):
        sigmas.append(signals.smoothness(graphs.latent_geometry_graph(layer, **spec), y, power))
    steps = [abs(sigmas[i] - sigmas[i - 1]) for i in range(1, len(sigmas))]
    return sum(steps) / len(steps)


def soft_target_loss(student_logits, teacher_logits, *, temperature, scale="none"):
    """Mean over examples of KL(softmax(t/T) || softmax(s/T)), times T^2 if asked."""
    total = 0.0
    for s, t in zip(student_logits, teacher_logits, strict=True):
        p_s, p_t = softmax(list(s), temperature), softmax(list(t), temperature)
        total += sum(b * math.log(b / a) for a, b in zip(p_s, p_t, strict=True))
    total /= len(student_logits)
    return total * temperature**2 if scale == "temperature_squared" else total


def relational_distance_loss(student, teacher):
    """RKD-D: smooth-L1 between distances, each side divided by its mean, mean over i != j."""

    def scaled(features):
        d = graphs.pairwise_distances(graphs.flatten(features))
        count = len(d)
        pairs = [(i, j) for i in range(count) for j in range(count) if i != j]
        mean = sum(d[i, j] for i, j in pairs) / max(len(pairs), 1)
        return {pair: (d[pair] / mean if mean > 0.0 else 0.0) for pair in pairs}

    def one(s, t):
        d_s, d_t = scaled(s), scaled(t)
        return sum(smooth_l1(d_s[pair] - d_t[pair]) for pair in d_s) / max(len(d_s), 1)

    return mean_over_taps(one, student, teacher)


def relational_angle_loss(student, teacher):
    """RKD-A: smooth-L1 between cosines of the angle at j, mean over ordered distinct triples."""

    def angles(features):
        rows = graphs.flatten(features)
        count = len(rows)
        out = {}
        for i in range(count):
            for j in range(count):
                for k in range(count):
                    if len({i, j, k}) == 3:
                        to_i = [a - b for a, b in zip(rows[i], rows[j], strict=True)]
                        to_k = [a - b for a, b in zip(rows[k], rows[j], strict=True)]
                        out[i, j, k] = graphs.cosine(to_i, to_k)
        return out

    def one(s, t):
        a_s, a_t = angles(s), angles(t)
        return sum(smooth_l1(a_s[triple] - a_t[triple]) for triple in a_s) / max(len(a_s), 1)

    return mean_over_taps(one, student, teacher)


def squared_difference_over_pairs(of_student, of_teacher):
    """|K_T - K_S|_F^2 / N^2."""
    count = len(of_student)
    total = 0.0
    for i in range(count):
        for j in range(count):
            total += (of_teacher[i][j] - of_student[i][j]) ** 2
    return total / count**2


def cosines(features):
    """c[i][j], the diagonal included."""
    rows = graphs.flatten(features)
    return [[graphs.cosine(a, b) for b in rows] for a in rows]


def similarity_preserving_loss(student, teacher):
    """SP: G = X X^T with rows divided by their L2 norm; |G_T - G_S|_F^2 / N^2."""

    def gram_rows(features):
        rows = graphs.flatten(features)
        gram = [[graphs.inner(a, b) for b in rows] for a in rows]
        return [[value / graphs.norm(row) for value in row] for row in gram]

    return mean_over_taps(
        lambda s, t: squared_difference_over_pairs(gram_rows(s), gram_rows(t)), student, teacher
    )


def probabilistic_knowledge_transfer_loss(student, teacher, *, reduction="mean"):
    """PKT: sum over i != j of p^T log((p^T + 1e-7) / (p^S + 1e-7))."""

    def probabilities(features):
        kernel = [[(1.0 + value) / 2.0 for value in row] for row in cosines(features)]
        count = len(kernel)
        out = {}
        for i in range(count):
            total = sum(kernel[i][j] for j in range(count) if j != i)
            for j in range(count):
                if j != i:
                    out[i, j] = kernel[i][j] / total
        return out

    def one(s, t):
        p_s, p_t = probabilities(s), probabilities(t)
        total = sum(p_t[ij] * math.log((p_t[ij] + 1e-7) / (p_s[ij] + 1e-7)) for ij in p_t)
        return total / len(p_t) if reduction == "mean" else total

    return mean_over_taps(one, student, teacher)


def correlation_congruence_loss(student, teacher, *, gamma=0.4, order=2):
    """CC: kernel sum_p exp(-2 gamma) (2 gamma)^p / p! <x, y>^p of unit rows."""

    def kernel(features):
        out = []
        for row in cosines(features):
            values = []
            for c in row:
                value = 0.0
                for p in range(order + 1):
                    value += math.exp(-2 * gamma) * (2 * gamma) ** p / math.factorial(p) * c**p
                values.append(value)
            out.append(values)
        return out

    return mean_over_taps(
        lambda s, t: squared_difference_over_pairs(kernel(s), kernel(t)), student, teacher
    )


def pearson(a, b):
    """The correlation of two lists."""
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    return graphs.cosine([x - mean_a for x in a], [y - mean_b for y in b])


def dist_loss(student_logits, teacher_logits, *, beta=1.0, gamma=1.0, temperature=1.0):
    """DIST: beta * mean_i(1 - rho(rows)) + gamma * mean_c(1 - rho(columns)), times T^2."""
    p_s = [softmax(list(row), temperature) for row in student_logits]
    p_t = [softmax(list(row), temperature) for row in teacher_logits]
    between = [1.0 - pearson(s, t) for s, t in zip(p_s, p_t, strict=True)]
    columns_s = [[row[c] for row in p_s] for c in range(len(p_s[0]))]
    columns_t = [[row[c] for row in p_t] for c in range(len(p_t[0]))]
    within = [1.0 - pearson(s, t) for s, t in zip(columns_s, columns_t, strict=True)]
    value = beta * sum(between) / len(between) + gamma * sum(within) / len(within)
    return value * temperature**2


def decoupled_soft_target_loss(
    student_logits, teacher_logits, labels, *, temperature, alpha=1.0, beta=8.0, scale="none"
):
    """DKD: mean of alpha * KL(b_T || b_S) + beta * KL(q_T || q_S), times T^2 if asked.

    b is [p_t, 1 - p_t] of the target class t; q the other classes' p_c / (1 - p_t).
    """

    def divergence(of_teacher, of_student):
        return sum(
            b * math.log(b / a) for a, b in zip(of_student, of_teacher, strict=True) if b > 0.0
        )

    total = 0.0
    for s, t, target in zip(student_logits, teacher_logits, labels, strict=True):
        p_s, p_t = softmax(list(s), temperature), softmax(list(t), temperature)
        others = [c for c in range(len(p_s)) if c != target]
        if not others:
            continue
        rest_s, rest_t = sum(p_s[c] for c in others), sum(p_t[c] for c in others)
        target_class = divergence([p_t[target], rest_t], [p_s[target], rest_s])
        non_target = divergence(
            [p_t[c] / rest_t for c in others], [p_s[c] / rest_s for c in others]
        )
        total += alpha * target_class + beta * non_target
    total /= len(student_logits)
    return total * temperature**2 if scale == "temperature_squared" else total


def attention_transfer_loss(student, teacher, *, power=2):
    """AT: attention sum_c |F_c|^p per position, divided by its L2 norm; mean squared difference."""

    def attention(feature_maps):
        out = []
        for example in feature_maps:
            channels, height, width = example.shape
            values = []
            for y in range(height):
                for x in range(width):
                    values.append(sum(abs(example[c, y, x]) ** power for c in range(channels)))
            size = graphs.norm(values)
            out.append([value / size if size > 0.0 else 0.0 for value in values])
        return out

    def one(s, t):
        a_s, a_t = attention(s), attention(t)
        total, count = 0.0, 0
        for row_s, row_t in zip(a_s, a_t, strict=True):
            for value_s, value_t in zip(row_s, row_t, strict=True):
                total += (value_s - value_t) ** 2
                count += 1
        return total / count

    return mean_over_taps(one, student, teacher)
