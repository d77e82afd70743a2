"""The graph Fourier basis. Shapes: N vertices, K frequencies, C signals."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from torchlgg.core import InputError, exact_arithmetic
from torchlgg.signals._laplacian import adjacency_matrix


@dataclass(frozen=True, eq=False)
class FourierBasis:
    """Eigenvectors of a Laplacian, the harmonics of its graph, from smooth to rough.

    Args:
        frequencies: (K,), the eigenvalues in ascending order.
        harmonics: (N, K), the eigenvectors as orthonormal columns.

    Example:
        >>> import torch
        >>> from torchlgg.signals import graph_fourier_basis, laplacian
        >>> path = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
        >>> basis = graph_fourier_basis(laplacian(path))
        >>> basis.transform(torch.ones(3)).abs() > 1e-6
        tensor([ True, False, False])
    """

    frequencies: Tensor
    harmonics: Tensor

    def transform(self, signals: Tensor) -> Tensor:
        """The transform :math:`U^⊤ S` of ``signals``, (N,) or (N, C): (K,) or (K, C)."""
        self._check(signals, self.harmonics.shape[0], "transform", "one row per vertex")
        return self.harmonics.T @ signals.to(self.harmonics.dtype)

    def inverse(self, coefficients: Tensor) -> Tensor:
        """The signals :math:`U Ŝ` that ``coefficients``, (K,) or (K, C), describe.

        With a full basis it undoes :meth:`transform`; with a partial one it gives the smooth part.
        """
        self._check(coefficients, self.harmonics.shape[1], "inverse", "one row per frequency")
        return self.harmonics @ coefficients.to(self.harmonics.dtype)

    @staticmethod
    def _check(values: Tensor, count: int, method: str, meaning: str) -> None:
        if values.ndim not in (1, 2) or values.shape[0] != count:
            raise InputError(
                f"FourierBasis.{method}: {meaning} is expected, {count} in all; "
                f"got shape {tuple(values.shape)}"
            )


@torch.no_grad()
def graph_fourier_basis(laplacian: Tensor, *, count: int | None = None) -> FourierBasis:
    """The graph Fourier basis: eigenvalues and orthonormal eigenvectors of a Laplacian.

    Not differentiable, by design: the gradient of an eigenvector has a pole wherever two
    eigenvalues meet, and on graphs they do. To train on a spectrum, use
    :func:`~torchlgg.signals.smoothness` or :func:`~torchlgg.signals.polynomial_filter`, which
    need no eigenvector.

    Args:
        laplacian: L, (N, N), symmetric: combinatorial or symmetric-normalised.
        count: K, how many of the smoothest harmonics; ``None`` is all N. On the CPU a partial
            basis costs about a third of the full one. It comes from the same tridiagonal form and
            not from a Krylov method, which misses copies of repeated eigenvalues, and so misses
            components of the graph.

    Returns:
        A :class:`FourierBasis` of K harmonics, float32 or float64. The sign of each harmonic is
        fixed: its entry of largest magnitude is positive. Within an eigenspace of several
        dimensions (the eigenvalue 0 of a graph in pieces) the basis is arbitrary, as everywhere.

    Raises:
        InputError: a matrix that is not square, finite and symmetric (the random-walk Laplacian
            is not: take the symmetric one, which has the same eigenvalues), or a count outside
            [1, N].

    Example:
        >>> import torch
        >>> from torchlgg.signals import graph_fourier_basis, laplacian
        >>> path = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
        >>> graph_fourier_basis(laplacian(path)).frequencies.abs().round(decimals=4)
        tensor([0., 1., 3.])
    """
    where = "graph_fourier_basis"
    l_NN = adjacency_matrix(laplacian, where=where, name="laplacian")
    size = l_NN.shape[0]
    if count is not None and not 1 <= count <= size:
        raise InputError(f"{where}: `count` must lie in [1, {size}], got {count}")
    largest = float(l_NN.abs().max())
    if float((l_NN - l_NN.T).abs().max()) > 1e-5 * largest:
        raise InputError(
            f"{where}: `laplacian` must be symmetric; the random-walk Laplacian is not, and the "
            "symmetric one has the same eigenvalues"
        )
    with exact_arithmetic(l_NN):
        l_NN = (l_NN + l_NN.T) / 2
        frequencies_K, harmonics_NK = _smallest_eigenpairs(l_NN, size if count is None else count)
        peak_K = harmonics_NK.abs().argmax(dim=0)
        signs_K = harmonics_NK.gather(0, peak_K[None, :]).sign()
    return FourierBasis(frequencies_K, harmonics_NK * signs_K)


def _smallest_eigenpairs(l_NN: Tensor, count: int) -> tuple[Tensor, Tensor]:
    if count == l_NN.shape[0] or l_NN.device.type != "cpu":
        frequencies_N, harmonics_NN = torch.linalg.eigh(l_NN)
        return frequencies_N[:count], harmonics_NN[:, :count]
    from scipy.linalg import eigh

    frequencies, harmonics = eigh(l_NN.numpy(), subset_by_index=(0, count - 1))
    return torch.from_numpy(frequencies), torch.from_numpy(harmonics)
