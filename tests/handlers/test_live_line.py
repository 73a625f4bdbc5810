"""One line about a training: the more important first, and never wider than the terminal."""

import doctest
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from vlog.handlers import live_line as module
from vlog.handlers import terminal
from vlog.handlers.live_line import ASCII, UNICODE, Step, live_line, plain_line, signs_for

BAR = "━━━━━━━━╸───────────"
GPU = {"memory_usage_percent": 81.4, "utilization_percent": 97.0, "temperature_celsius": 64.0}
USAGE = {"memory": {"usage_percent": 45.2}, "gpu": {"devices": [GPU]}}
TIMING = {"step_time_seconds": 1.234, "eta_minutes": 12.5, "tokens_per_second": 8192.3}
NAMES = st.text(max_size=60)
RUBBISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | NAMES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*TIMING, *GPU, "memory", "usage_percent", "gpu", "devices", "loss"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


def step(number=420, total=1000, loss=0.23456, name="qwen3-0.6b-sft", usage=USAGE, **timing):
    progress = {} if total is None else {"total_steps": total}
    if total is not None:
        progress["progress_percent"] = 100 * number / total
    metrics = {} if loss is None else {"loss": loss}
    held = {"metrics": metrics, "timing": TIMING | timing, "progress": progress}
    return Step(name, number, held, usage)


def text_of(*args):
    return "".join(part.text for part in live_line(*args))


def style_of(text, *args):
    (style,) = {part.style for part in live_line(*args) if part.text == text}
    return style


class TestLiveLine:
    @pytest.mark.parametrize(
        ("columns", "expected"),
        [
            (
                150,
                BAR + "  42%  420/1000  loss 0.2346  ETA 12:30  1.23 s/step  mem 45%  "
                "GPU mem 81% busy 97% 64 °C  8,192 tokens/s  qwen3-0.6b-sft",
            ),
            (
                80,
                "━━━━──────  42%  420/1000  loss 0.2346  ETA 12:30  1.23 s/step  mem 45%",
            ),
            (60, "━━━━──────  42%  420/1000  loss 0.2346  ETA 12:30"),
            (40, "━━━━──────  42%  420/1000  loss 0.2346"),
            (30, " 42%  420/1000  loss 0.2346"),
            (20, " 42%  loss 0.2346"),
            (6, " 42%"),
            (4, ""),
        ],
    )
    def test_has_what_fits_by_importance(self, columns, expected):
        assert expected == text_of(step(), columns)

    def test_cuts_the_name_with_an_ellipsis(self):
        line = text_of(step(name="a-very-long-name-" * 20, usage=None), 90)

        assert line.endswith("  a-very-long-name-a-very-…")
        assert 89 == len(line)

    def test_has_the_name_before_the_rate(self):
        assert "tokens/s" not in text_of(step(name="n" * 40, usage=None), 100)
        assert "8,192 tokens/s" in text_of(step(name="n" * 10, usage=None), 100)

    @pytest.mark.parametrize(
        ("columns", "expected"), [(83, "  漢字漢字漢字漢字…"), (84, "  漢字漢字漢字漢字漢…")]
    )
    def test_cuts_a_name_between_wide_characters(self, columns, expected):
        line = text_of(step(name="漢字" * 20, usage=None), columns)

        assert line.endswith(expected)

    @pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
    def test_has_a_loss_that_is_no_number_in_red(self, loss):
        assert f"loss {loss}" in text_of(step(loss=loss), 80)
        assert "31" in style_of(f"{loss}", step(loss=loss), 80)
        assert not style_of("0.2346", step(), 80)

    def test_has_no_loss_before_there_is_one(self):
        assert "loss" not in text_of(step(loss=None), 80)

    def test_keeps_the_last_loss(self):
        assert "loss 0.5000" in text_of(step(loss=None)._replace(last_loss=0.5), 80)
        assert "loss 0.2346" in text_of(step()._replace(last_loss=0.5), 80)

    def test_does_not_look_at_a_tensor(self):
        """To read it would wait for its device."""
        torch = pytest.importorskip("torch")

        assert "loss" not in text_of(step(loss=torch.zeros((), device="meta")), 80)

    def test_takes_numbers_of_numpy(self):
        numpy = pytest.importorskip("numpy")

        assert "loss 0.5000" in text_of(step(loss=numpy.float32(0.5)), 80)

    def test_counts_steps_where_no_total_is_known(self):
        assert text_of(step(total=None), 40).startswith("step 420  loss 0.2346")

    @pytest.mark.parametrize(("number", "expected"), [(999, " 99% "), (1000, "100% ")])
    def test_says_100_percent_at_the_end_alone(self, number, expected):
        assert expected in text_of(step(number), 80)

    def test_has_no_eta_when_there_is_nothing_to_wait_for(self):
        assert "ETA" in text_of(step(999), 80)
        assert "ETA" not in text_of(step(1000), 80)
        assert "ETA" not in text_of(step(999, eta_minutes=0.0), 80)

    def test_shows_the_device_with_the_fullest_memory(self):
        devices = [GPU, {"index": 3, "memory_usage_percent": 96.0, "temperature_celsius": 50}, {}]
        line = text_of(step(usage={"gpu": {"devices": devices}}), 150)

        assert "  GPU 3 mem 96% 50 °C  " in line

    def test_marks_memory_above_the_limits_of_the_alerts(self):
        usage = {"memory": {"usage_percent": 91}, "gpu": {"devices": [GPU]}}

        assert "33" == style_of("91%", step(usage=usage), 150)
        assert not style_of("81%", step(usage=usage), 150)

    def test_has_the_gpu_by_what_is_known_of_it(self):
        usage = {"gpu": {"devices": [{"temperature_celsius": 64}]}}

        assert "  GPU 64 °C" in text_of(step(usage=usage), 80)

    def test_shows_escapes_of_a_name_instead_of_executing_them(self):
        line = text_of(step(name="\x1b[31m\n\u202e", usage=None), 150)

        assert "\\x1b[31m\\n\\u202e" in line

    @given(
        columns=st.integers(1, 200),
        state=st.builds(
            step,
            number=st.integers(0, 10**9),
            total=st.none() | st.integers(1, 10**9),
            loss=st.none() | st.floats() | st.integers(),
            name=NAMES,
        ),
        signs=st.sampled_from([UNICODE, ASCII]),
    )
    def test_never_reaches_the_last_cell(self, columns, state, signs):
        line = text_of(state, columns, signs)

        assert max(columns - 1, 0) >= cell_len(line)

    @given(metrics=RUBBISH, timing=RUBBISH, progress=RUBBISH, usage=RUBBISH)
    def test_takes_anything(self, metrics, timing, progress, usage):
        held = {"metrics": metrics, "timing": timing, "progress": progress}

        assert 199 >= cell_len(text_of(Step("run", 1, held, usage), 200))
        assert "step 1" in text_of(Step("run", 1, {}, usage), 200)


class TestPlainLine:
    def test_has_everything_but_the_bar(self):
        assert (
            "42%  420/1000  loss 0.2346  ETA 12:30  1.23 s/step  mem 45%  "
            "GPU mem 81% busy 97% 64 °C  8,192 tokens/s  qwen3-0.6b-sft"
        ) == plain_line(step())

    def test_cuts_a_very_long_name(self):
        assert 200 > len(plain_line(step(name="n" * 10_000)))


class TestSigns:
    def test_are_those_that_can_be_shown(self):
        assert UNICODE == signs_for(lambda _: True)
        assert ASCII == signs_for(str.isascii)
        assert "".join(ASCII).isascii()


def test_examples_in_docstrings_are_true():
    for each in (module, terminal):
        assert 0 == doctest.testmod(each).failed
