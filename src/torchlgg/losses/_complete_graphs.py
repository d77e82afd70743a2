r"""The distance of two complete cosine graphs from sums over examples, without a matrix of pairs.

Let :math:`z_i` be the unit rows of features (:func:`~torchlgg.graphs.cosine_features`), S those of
the student, T those of the teacher. Then

- degrees: :math:`d_i = ⟨z_i, m⟩ - 1` with :math:`m = \sum_j z_j`;
- with :math:`y_i = z_i / \sqrt{d_i}` (or :math:`z_i`, not normalised), the graph is
  :math:`A = Y Y^⊤ - \operatorname{diag}(s)`, :math:`s_i = ‖y_i‖^2`;
- the distance is
  :math:`‖A_S - A_T‖_F^2 = ‖Y_S^⊤ Y_S‖_F^2 - 2 ‖Y_S^⊤ Y_T‖_F^2 + ‖Y_T^⊤ Y_T‖_F^2 - ‖s_S - s_T‖^2`;
- its gradient in :math:`y_{S,i}` is
  :math:`g_i = 4 (M_{SS} y_{S,i} - M_{ST} y_{T,i} - (s_{S,i} - s_{T,i}) y_{S,i})` with
  :math:`M_{SS} = Y_S^⊤ Y_S`, :math:`M_{ST} = Y_S^⊤ Y_T`;
- through the degrees, :math:`e_i = -\frac{1}{2 d_i} ⟨g_i, y_i⟩` and
  :math:`q = \sum_j e_j z_j`, it is in :math:`x_i`:
  :math:`\frac{1}{‖x_i‖} (I - z_i z_i^⊤) (g_i / \sqrt{d_i} + e_i m + q)`.

Within classes (``"intra"``), the M are sums over one class at a time. Between classes
(``"inter"``), a vertex of class c meets :math:`M - M_c`, and
:math:`\sum_c ⟨M_c, M - M_c⟩` takes the place of the squared norms.

The three norms are large and their difference small (the graphs of a student near its teacher
agree to 1 %, their squares to 0.01 %), so they are summed in float64, a block of rows at a time;
features, and gradients once the radial part is out of them, stay in their own type. Time is
O(N D²), memory O(N D) for the gradient and O(D²) for the sums.

Shapes: N examples, D features (of student or teacher), B rows of a block.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from torchlgg.core import safe_rsqrt, smallest_divisor
from torchlgg.losses._complete_squares import distance_of_squares
from torchlgg.losses._everyone import Everyone

Edges = Literal["all", "intra", "inter"]

Rows = slice | Tensor
"""Examples: a range of them, or their places."""

BLOCK = 2**21  # numbers of a block of rows in float64: 16 MiB


def sums_pay(
    count: int, s_width: int, t_width: int, *, power: int, edges: Edges, classes: int = 1
) -> bool:
    """Whether sums over examples cost less than the matrix of all pairs, forward and backward.

    Counted in multiply-adds of float32 per example, a float64 one as two. The matrix costs a
    product for each side and one more backward, and its element-wise passes as much as 512
    features would (measured); a second power adds products of matrices. Roughly, for power 1 and
    equal widths D, the sums pay from N = 2.5 D on. A batch below 256 is not worth the choice.

    Args:
        count: N.
        s_width: the student's D.
        t_width: the teacher's D.
        power: 1 or 2; others, and power 2 between classes, have no sums.
        edges: which edges are compared.
        classes: how many classes the sums are split into.
    """
    if count < 256 or power > 2 or (power == 2 and edges == "inter"):
        return False
    both = s_width + t_width
    pairs = count * (2 * s_width + t_width + 512 + (4 * count if power == 2 else 0))
    if power == 2:
        sums = 16 * both**2
    else:
        sums = 2 * (2 * s_width * both + t_width**2)
        sums += 2 * (s_width * both + t_width**2) if edges == "inter" else 0
    return sums + 16 * classes * both**2 / count < pairs


def complete_graph_distance(
    s_ND: Tensor,
    t_ND: Tensor,
    *,
    normalized: bool,
    power: int = 1,
    edges: Edges = "all",
    labels: Tensor | None = None,
    everyone: Everyone | None = None,
) -> Tensor:
    """The squared Frobenius distance of the complete cosine graphs of two sides.

    Args:
        s_ND: the student's features, :func:`~torchlgg.graphs.cosine_features`.
        t_ND: the teacher's, of any width and the same type; without gradient.
        normalized: divide the graphs by their degrees, symmetrically.
        power: 1, or 2 for the distance of the squared graphs, which needs ``edges`` other than
            ``"inter"``.
        edges: which edges are compared, after the normalisation.
        labels: (N,) whole numbers, where ``edges`` needs them.
        everyone: the examples of all ranks, for power 1 and all edges; ``None`` is these alone.

    Returns:
        A scalar ≥ 0 of the type of ``s_ND``.
    """
    classes: list[Tensor] = []
    if edges != "all":
        assert labels is not None
        order_N = labels.argsort()
        sizes = torch.unique(labels, return_counts=True)[1].tolist()
        classes = list(torch.split(order_N, sizes))
    if power == 2:
        return distance_of_squares(s_ND, t_ND, normalized, classes)
    trains = torch.is_grad_enabled() and s_ND.requires_grad
    everyone = everyone or Everyone(len(s_ND))
    distance: Tensor = _Distance.apply(
        s_ND, t_ND, normalized, classes, edges == "inter", trains, everyone
    )
    return distance


class _Side(NamedTuple):
    """One graph: ``y_i = scale_i x_i``."""

    x_ND: Tensor
    inverse_N: Tensor  # 1/|x_i|, 0 for dead rows
    total_D: Tensor  # m, the sum of the unit rows
    reach_N: Tensor  # <z_i, m>
    scale_N: Tensor  # 1/(|x_i| √d_i), float64
    self_N: Tensor  # s_i = |y_i|², float64


def _side(x_ND: Tensor, normalized: bool, everyone: Everyone) -> _Side:
    # the rules for dead rows and isolated vertices are those of the dense graph
    norm_N = torch.linalg.vector_norm(x_ND, dim=1)
    alive_N = norm_N > smallest_divisor(x_ND) ** 0.5
    inverse_N = torch.where(alive_N, 1 / torch.where(alive_N, norm_N, 1.0), 0.0)
    total_D = x_ND.new_zeros(x_ND.shape[1], dtype=torch.float64)
    for rows in _blocks(slice(0, len(x_ND)), x_ND.shape[1]):
        total_D += inverse_N[rows] @ x_ND[rows]
    total_D = everyone.sum_(total_D).to(x_ND.dtype)
    reach_N = inverse_N * (x_ND @ total_D)
    unit_N = alive_N.double()
    if not normalized:
        return _Side(x_ND, inverse_N, total_D, reach_N, inverse_N.double(), unit_N)
    floor = everyone.examples * torch.finfo(x_ND.dtype).eps
    root_N = safe_rsqrt(reach_N.double() - unit_N, floor=floor)
    return _Side(x_ND, inverse_N, total_D, reach_N, inverse_N * root_N, root_N.square())


def _blocks(rows: Rows, width: int) -> Iterator[Rows]:
    """``rows`` in blocks of bounded memory."""
    step = max(256, BLOCK // width)
    if isinstance(rows, Tensor):
        yield from torch.split(rows, step)
    else:
        for start in range(rows.start, rows.stop, step):
            yield slice(start, min(start + step, rows.stop))


class _Sums(NamedTuple):
    """The products of the rows of both sides, summed over examples, in float64."""

    student_DD: Tensor  # [M_SS, M_ST], side by side
    teacher_DD: Tensor  # M_TT

    def dot(self, other: _Sums, width: int) -> Tensor:
        r""":math:`⟨M_{SS}, M'_{SS}⟩ - 2 ⟨M_{ST}, M'_{ST}⟩ + ⟨M_{TT}, M'_{TT}⟩`."""
        both_DD = self.student_DD * other.student_DD
        own, cross = both_DD[:, :width].sum(), both_DD[:, width:].sum()
        return own - 2 * cross + (self.teacher_DD * other.teacher_DD).sum()

    def minus(self, other: _Sums) -> _Sums:
        return _Sums(self.student_DD - other.student_DD, self.teacher_DD - other.teacher_DD)


class _Pair:
    """Both sides, a block of rows at a time, side by side in one float64 buffer."""

    def __init__(self, student: _Side, teacher: _Side, everyone: Everyone) -> None:
        self.student, self.teacher, self.everyone = student, teacher, everyone
        self.split = student.x_ND.shape[1]
        self.width = self.split + teacher.x_ND.shape[1]
        count = min(len(student.x_ND), max(256, BLOCK // self.width))
        self.buffer_BD = student.x_ND.new_empty(count, self.width, dtype=torch.float64)

    def rows(self, rows: Rows) -> Tensor:
        """[Y_S, Y_T] of some examples; valid until the next call."""
        halves = self.student.x_ND[rows], self.teacher.x_ND[rows]
        both_BD = self.buffer_BD[: len(halves[0])]
        both_BD[:, : self.split].copy_(halves[0]).mul_(self.student.scale_N[rows][:, None])
        both_BD[:, self.split :].copy_(halves[1]).mul_(self.teacher.scale_N[rows][:, None])
        return both_BD

    def sums(self, groups: list[Rows]) -> _Sums:
        new = self.buffer_BD.new_zeros
        student_DD = new(self.split, self.width)
        teacher_DD = new(self.width - self.split, self.width - self.split)
        for block in (block for rows in groups for block in _blocks(rows, self.width)):
            both_BD = self.rows(block)
            student_DD.addmm_(both_BD[:, : self.split].T, both_BD)
            teacher_DD.addmm_(both_BD[:, self.split :].T, both_BD[:, self.split :])
        return _Sums(self.everyone.sum_(student_DD), self.everyone.sum_(teacher_DD))


class _Distance(torch.autograd.Function):
    """Value and, where it is wanted, gradient in one call; backward scales the gradient."""

    @staticmethod
    def forward(
        ctx: Any,
        s_ND: Tensor,
        t_ND: Tensor,
        normalized: bool,
        classes: list[Tensor],
        inter: bool,
        trains: bool,
        everyone: Everyone,
    ) -> Tensor:
        student, teacher = (_side(x_ND, normalized, everyone) for x_ND in (s_ND, t_ND))
        pair = _Pair(student, teacher, everyone)
        groups: list[Rows] = list(classes) or [slice(0, len(s_ND))]
        whole = pair.sums(groups) if inter else None
        excess_N = pair.student.self_N - pair.teacher.self_N
        distance = torch.zeros((), dtype=torch.float64, device=s_ND.device)
        descent = _Descent(pair, excess_N if not inter else None) if trains else None
        for rows in groups:
            own = pair.sums([rows])
            met = own if whole is None else whole.minus(own)
            distance += own.dot(met, pair.split)
            if descent is not None:
                descent.add(rows, met)
        if whole is None:
            distance -= everyone.sum_(excess_N.square().sum())
        if descent is not None:
            ctx.save_for_backward(descent.finish(normalized))
        ctx.everyone = everyone
        return distance.clamp(min=0).to(s_ND.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (descent_ND,) = ctx.saved_tensors
        gradient = ctx.everyone.sum_(gradient.clone())  # every rank has a loss of these rows
        return descent_ND * gradient, None, None, None, None, None, None


class _Descent:
    """The gradient in the student's features, group by group."""

    def __init__(self, pair: _Pair, excess_N: Tensor | None) -> None:
        self.pair = pair
        self.excess_N = excess_N  # s_S - s_T, where the diagonal would be met
        self.gradient_ND = torch.empty_like(pair.student.x_ND)
        self.radial_N = torch.empty_like(pair.student.scale_N)  # <g_i, y_i>

    def add(self, rows: Rows, met: _Sums) -> None:
        r"""The part that needs no other example: :math:`(I - z z^⊤) g / (‖x‖ \sqrt d)`."""
        pair = self.pair
        step_DD = 4 * met.student_DD.T
        step_DD[pair.split :].neg_()
        for block in _blocks(rows, pair.width):
            both_BD = pair.rows(block)
            y_BD = both_BD[:, : pair.split]
            g_BD = both_BD @ step_DD
            self_B = pair.student.self_N[block]
            if self.excess_N is not None:
                g_BD.addcmul_(y_BD, self.excess_N[block][:, None], value=-4)
            radial_B = torch.linalg.vecdot(g_BD, y_BD)
            self.radial_N[block] = radial_B
            share_B = radial_B / torch.where(self_B > 0, self_B, 1.0)
            g_BD.addcmul_(y_BD, share_B[:, None], value=-1)
            g_BD.mul_(pair.student.scale_N[block][:, None])
            self.gradient_ND[block] = g_BD.to(self.gradient_ND.dtype)

    def finish(self, normalized: bool) -> Tensor:
        r"""Adds the part through the degrees: :math:`(I - z z^⊤)(e_i m + q) / ‖x‖`."""
        if not normalized:
            return self.gradient_ND
        side = self.pair.student
        e_N = (-0.5 * side.self_N * self.radial_N).to(side.x_ND.dtype)
        weight_N = e_N * side.inverse_N
        q_D = torch.zeros_like(side.total_D, dtype=torch.float64)
        for rows in _blocks(slice(0, len(e_N)), self.pair.width):
            q_D += weight_N[rows] @ side.x_ND[rows]
        q_D = self.pair.everyone.sum_(q_D).to(side.x_ND.dtype)
        along_N = e_N * side.reach_N + side.inverse_N * (side.x_ND @ q_D)
        shift_N = along_N * side.inverse_N.square()
        both_2D = torch.stack([side.total_D, q_D])
        for rows in _blocks(slice(0, len(e_N)), self.pair.width):
            share_B2 = torch.stack([weight_N[rows], side.inverse_N[rows]], dim=1)
            block_BD = self.gradient_ND[rows]
            block_BD.addmm_(share_B2, both_2D)
            block_BD.addcmul_(side.x_ND[rows], shift_N[rows][:, None], value=-1)
        return self.gradient_ND
