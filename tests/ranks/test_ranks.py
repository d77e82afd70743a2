"""Over several processes: the value of the whole batch, and the gradient one process would have.

Two and three gloo processes run once each, under real DistributedDataParallel.
"""

from __future__ import annotations

import pytest
import torch

from tests.contract.cases import CASES, exported_losses
from tests.ranks import asked, processes
from tests.ranks.jobs import SPLITS, jobs, model_and_call, value_and_gradient
from torchlgg.core import InputError, gather_rows
from torchlgg.losses import graph_distillation_loss

WORLDS = sorted(SPLITS)
worlds = pytest.mark.parametrize("world", WORLDS)

TOLERANCE = {"float64": 1e-10, "float32": 1e-5, "autocast": 1e-5}
# each rank rounds its part of a linear map's gradient to bfloat16
GRADIENT_TOLERANCE = {**TOLERANCE, "autocast": 2e-2}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each rank of each world found."""
    return {
        world: processes.run(world, tmp_path_factory.mktemp(f"ranks{world}")) for world in WORLDS
    }


@pytest.mark.parametrize("name", exported_losses())
@worlds
def test_every_rank_has_the_value_and_the_gradient_of_one_process(found, world, name):
    asked_of_it = [job for job in jobs(world) if job.name == name]
    assert {job.counts for job in asked_of_it} == set(SPLITS[world])
    for job in asked_of_it:
        model, call = model_and_call(job)
        value, gradient = value_and_gradient(job, model, call, CASES[name].function)
        assert float(value) > 1e-6 or job.setting > 0
        for rank, answers in enumerate(found[world]):
            answer = answers[str(job)]
            told = f"{job} on rank {rank}: "
            torch.testing.assert_close(
                answer["value"],
                value,
                rtol=TOLERANCE[job.precision],
                atol=TOLERANCE[job.precision] * 1e-3,
                msg=lambda text, told=told: told + text,
            )
            size = max(float(slope.abs().max()) for slope in gradient)
            for came, slope in zip(answer["gradient"], gradient, strict=True):
                torch.testing.assert_close(
                    came,
                    slope,
                    rtol=0,
                    atol=GRADIENT_TOLERANCE[job.precision] * size,
                    msg=lambda text, told=told: told + text,
                )


@worlds
def test_the_module_is_the_function(found, world):
    for answers in found[world]:
        for job in jobs(world):
            answer = answers[str(job)]
            assert torch.equal(answer["by_module"], answer["value"]), job
            assert f"group=<{world} ranks>" in answer["module"]


# ------------------------------------------------------------------------------------- the gather


@worlds
def test_every_type_and_shape(found, world):
    for answers in found[world]:
        for dtype in asked.DTYPES:
            for shape in asked.SHAPES:
                expected = asked.rows(6, shape, dtype, 1)
                came = answers["every_type_and_shape"][f"{dtype}{shape}"]
                assert came.dtype == dtype
                assert torch.equal(came, expected)


@worlds
def test_rows_that_are_not_contiguous(found, world):
    for answers in found[world]:
        came = answers["not_contiguous"]
        assert torch.equal(came["transposed"], asked.rows(6, (4, 3), torch.float32, 2).mT)
        assert torch.equal(came["strided"], asked.rows(12, (4,), torch.float32, 2)[::2])
        assert torch.equal(came["column"], asked.rows(6, (4, 3), torch.float32, 2)[:, :1, 0])
        assert torch.equal(came["row as a column"], torch.ones(6, 1))
        assert torch.equal(came["expanded"], torch.ones(6, 3))


@worlds
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_the_gradients_of_all_ranks_are_summed(found, world, dtype):
    weights = sum(
        asked.rows(6, (2, 2), torch.float32, 10 + rank).to(dtype).double() for rank in range(world)
    )
    for rank, answers in enumerate(found[world]):
        expected = asked.part(weights, rank, world).to(dtype)
        torch.testing.assert_close(answers["the_adjoint"][str(dtype)], expected)


@worlds
def test_what_needs_no_gradient_gets_none(found, world):
    for answers in found[world]:
        expected = {"no_grad": False, "constant": False, "leaf": True}
        assert answers["the_gradient_may_stop"] == expected


@worlds
def test_a_group_of_some_ranks(found, world):
    expected = torch.tensor([0.0] + [world - 1.0] * world)[:, None]
    for rank, answers in enumerate(found[world]):
        came = answers["a_group_of_some"]
        if rank in (0, world - 1):
            assert torch.equal(came["rows"], expected)
        else:
            assert "`group` must be None or a torch.distributed.ProcessGroup" in came["error"]


@worlds
def test_a_group_of_one_sends_nothing_and_changes_nothing(found, world):
    for answers in found[world]:
        assert answers["a_group_of_one"] == {"same": True, "sent": []}


@worlds
@pytest.mark.parametrize("question", ["several_taps_in_a_mapping", "compiled_around_the_gather"])
def test_value_of_one_process(found, world, question):
    for answers in found[world]:
        came = answers[question]
        torch.testing.assert_close(came["value"], came["expected"], rtol=1e-5, atol=1e-7)


@worlds
def test_beside_a_local_loss(found, world):
    for answers in found[world]:
        came = answers["beside_a_local_loss"]
        for gradient, expected in zip(came["came"], came["expected"], strict=True):
            torch.testing.assert_close(gradient, expected, rtol=1e-10, atol=1e-12)


# -------------------------------------------------------------------------------- sums over ranks


@worlds
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("title", asked.SUMS)
def test_sums_over_ranks_are_those_over_rows(found, world, title, dtype):
    options, signed = asked.SUMS[title]
    count = asked.EXAMPLES_BY_SUMS
    student, teacher = (asked.features(count, w, w, signed=signed) for w in asked.WIDTHS)
    student.requires_grad_()
    value = graph_distillation_loss(student, teacher, **options)
    value.backward()
    weight = world * (world + 1) / 2  # each rank has a loss of every row, times its rank plus one
    size = weight * float(student.grad.abs().max())
    tolerance = 1e-10 if dtype == torch.float64 else 1e-4
    for rank, answers in enumerate(found[world]):
        gradient = weight * asked.share(student.grad, rank, world)
        for way in ("sums", "rows"):
            came = answers["graph_distillation_by_sums"][f"{title}-{dtype}-{count}-{way}"]
            assert came["value"].dtype == came["gradient"].dtype == dtype
            assert float(came["value"]) == pytest.approx(float(value.detach()), rel=tolerance)
            error = float((came["gradient"].double() - gradient).abs().max())
            assert error <= tolerance * size, way


@worlds
@pytest.mark.parametrize("title", asked.SUMS)
def test_sums_travel_and_rows_do_not(found, world, title):
    """The same numbers travel whatever the batch: products, vectors and a few scalars."""
    for answers in found[world]:
        sent = {
            (count, way): answers["graph_distillation_by_sums"][
                f"{title}-{torch.float32}-{count}-{way}"
            ]["sent"]
            for count in (asked.EXAMPLES_BY_SUMS, 2 * asked.EXAMPLES_BY_SUMS)
            for way in ("sums", "rows")
        }
        few, many = (sent[asked.EXAMPLES_BY_SUMS * times, "sums"] for times in (1, 2))
        assert few == many
        s_width, t_width = (width + (title == "shifted") for width in asked.WIDTHS)
        assert max(few) == max(s_width * (s_width + t_width), t_width * t_width)
        assert sum(few) < asked.EXAMPLES_BY_SUMS
        assert max(sent[asked.EXAMPLES_BY_SUMS, "rows"]) >= asked.EXAMPLES_BY_SUMS * s_width


@worlds
def test_where_sums_do_not_do_rows_travel(found, world):
    for answers in found[world]:
        came = dict(answers["where_sums_do_not_do"])
        text = came.pop("infinite on one rank")
        assert "graph_distillation_loss: `student` must be finite; 1 of its 3000 values" in text
        assert max(came.pop("sent for two taps")) == asked.WIDTHS[0] * sum(asked.WIDTHS)
        for title, (value, expected) in came.items():
            assert float(value) == pytest.approx(float(expected), rel=1e-10), title


# -------------------------------------------------------------------------------------- bad input


SENTENCES = {
    "values": "graph_distillation_loss: `student` must be finite; 1 of its {4W3} values",
    "width": "`student` is torch.float32 of shape (N, 3) on cpu, without gradient on rank 0 and "
    "torch.float32 of shape (N, 2)",
    "rows": "on rank {last} of `group`, in rows: `student` has 3, `teacher` has 4",
    "type": "soft_target_loss: the ranks of `group`",
    "function": "the function is graph_distillation_loss on rank 0 and similarity_preserving_loss",
    "taps": "`student[1]` is absent on rank 0 and torch.float32",
    "labels": "`labels` is torch.int64 of shape (N,) on cpu, without gradient on rank 0 and None",
    "device": "`student` is torch.float32 of shape (N, 3) on cpu, without gradient on rank 0 and "
    "torch.float32 of shape (N, 3) on meta",
    "every device": "`teacher` lies on meta, and `group` sends between devices of type cpu or cuda",
    "gradient": "with gradient on rank 0 and torch.float32 of shape (N, 3) on cpu, without",
    "names": "`layers['a']`, `layers['b']`, `labels` on rank 0, `layers['b']`, `layers['a']`",
}


@worlds
@pytest.mark.parametrize("fault", SENTENCES)
def test_what_one_rank_does_wrong_is_said_on_all(found, world, fault):
    texts = [answers["bad_input_on_the_last_rank"][fault] for answers in found[world]]
    words = SENTENCES[fault].replace("{4W3}", str(12 * world)).replace("{last}", str(world - 1))
    for text in texts:
        # a rank names the function that it ran itself
        assert text.split(": ", 1)[1] == texts[0].split(": ", 1)[1]
        assert words in text


@pytest.mark.parametrize("bad", [2, "world", -100])
def test_no_group(bad):
    with pytest.raises(InputError, match="`group` must be None or a torch"):
        gather_rows(torch.ones(2), bad)
    with pytest.raises(InputError, match="graph_distillation_loss: `group` must be None"):
        graph_distillation_loss(torch.ones(2, 2), torch.ones(2, 2), group=bad)
