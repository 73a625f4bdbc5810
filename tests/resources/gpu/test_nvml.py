"""The library is initialised once, and again when it is taken from us."""

from types import SimpleNamespace

import pytest

from vlog.resources.gpu import nvml
from vlog.resources.gpu.nvml import Down, Nvml, NvmlFault, Stale, Unsupported
from vlog.resources.gpu.nvml_counters import FieldId, NvmlCounters, read_field_values
from vlog.resources.source import Lost, Unavailable, is_unavailable


class NvmlError(Exception):
    def __init__(self, value):
        super().__init__(f"code {value}")
        self.value = value


class Binding:
    """A `pynvml` that counts, and fails with the codes that it is given."""

    NVMLError = NvmlError

    def __init__(self):
        self.made = []
        self.codes = {}
        self.field_values = {}

    def _call(self, name):
        self.made.append(name)
        if name in self.codes:
            raise NvmlError(self.codes[name])
        return name

    def nvmlInit(self):  # noqa: N802 - the binding's names
        return self._call("init")

    def nvmlShutdown(self):  # noqa: N802 - the same
        return self._call("shutdown")

    def old(self):
        return self._call("old")

    def new(self):
        return self._call("new")

    def nvmlDeviceGetFieldValues(self, handle, wanted):  # noqa: N802 - the same
        self.made.append(wanted)
        return [
            SimpleNamespace(
                fieldId=number,
                nvmlReturn=0 if number in self.field_values else 3,
                valueType=3,
                value=SimpleNamespace(ullVal=self.field_values.get(number)),
            )
            for number, _ in wanted
        ]


@pytest.fixture
def binding(monkeypatch):
    found = Binding()
    monkeypatch.setattr(nvml, "_load", lambda: found)
    return found


@pytest.fixture
def library(binding):
    found = Nvml()
    found.start()
    return found


class TestNvml:
    def test_is_initialised_once(self, library, binding):
        library.start()

        assert ["init"] == binding.made
        assert 1 == library.generation

    @pytest.mark.parametrize("code", [4, 9, 12])
    def test_says_that_there_is_no_driver(self, binding, code):
        binding.codes["init"] = code
        with pytest.raises(Unavailable, match=f"no NVIDIA driver: code {code}"):
            Nvml().start()

    def test_says_that_there_is_no_library(self, monkeypatch):
        monkeypatch.setattr(nvml, "LIBRARY", "libnvidia-of-nobody.so.1")
        with pytest.raises(Unavailable, match=r"no NVIDIA driver: libnvidia-of-nobody\.so\.1"):
            Nvml().start()

    def test_can_be_started_after_it_failed(self, binding):
        library = Nvml()
        binding.codes["init"] = 999
        with pytest.raises(NvmlFault):
            library.start()
        binding.codes.clear()
        library.start()

        assert ["init", "init"] == binding.made

    def test_is_initialised_again_once_for_all_who_notice(self, library, binding):
        library.restart(1)
        library.restart(1)

        assert ["init", "init"] == binding.made  # our own count went with the other's shutdown
        assert 2 == library.generation

    def test_is_not_reloaded_while_somebody_reads(self, library, binding):
        with library.reading():
            library.reload()
        assert ["init"] == binding.made
        library.reload()

        assert ["init", "shutdown", "init"] == binding.made

    def test_is_shut_down_by_the_last_who_leaves(self, library, binding):
        library.enter()
        library.enter()
        library.leave()
        assert ["init"] == binding.made
        library.leave()
        assert ["init", "shutdown"] == binding.made

    def test_may_have_been_shut_down_by_somebody_else(self, library, binding):
        binding.codes["shutdown"] = 1
        library.enter()
        library.leave()

        assert ["init", "shutdown"] == binding.made

    def test_is_not_shut_down_if_it_never_started(self, binding):
        library = Nvml()
        library.enter()
        library.leave()

        assert [] == binding.made

    @pytest.mark.parametrize(
        ("code", "kind"),
        [
            (1, Down),
            (2, Stale),
            (3, Unsupported),
            (4, Unsupported),
            (9, Down),
            (10, NvmlFault),
            (13, Unsupported),
            (15, Lost),
            (16, Lost),
            (999, NvmlFault),
        ],
    )
    def test_tells_what_a_code_means(self, library, binding, code, kind):
        binding.codes["new"] = code
        with pytest.raises(kind, match=f"new: code {code}") as raised:
            library.call("new")

        assert (kind is Unsupported) == is_unavailable(raised.value)

    def test_does_without_a_function_that_the_binding_has_not_got(self, library):
        with pytest.raises(Unsupported, match="pynvml has no newest"):
            library.call("newest")

    @pytest.mark.parametrize("code", [13, 25])
    def test_asks_by_an_older_name_where_the_driver_has_no_other(self, library, binding, code):
        binding.codes["new"] = code

        assert "old" == library.call_first(("newest",), ("new",), ("old",))

    def test_takes_an_answer_for_an_answer(self, library, binding):
        binding.codes["new"] = 3
        with pytest.raises(Unsupported):
            library.call_first(("new",), ("old",))

        assert "old" not in binding.made


class TestCounters:
    def test_are_read_in_one_call(self, library, binding):
        binding.field_values = {82: 71}
        wanted = {"a": FieldId(82), "b": FieldId(138, 7)}
        fields = read_field_values(library, None, wanted)

        assert [(82, 0), (138, 7)] == binding.made[-1]
        assert {"a": 71} == fields.values
        assert ["b"] == list(fields.gaps)
        assert is_unavailable(fields.gaps["b"])

    def test_become_rates_and_sums(self, library, binding):
        counters = NvmlCounters(library)
        binding.field_values = {83: 1000, 138: 1024, 139: 2048}
        before = counters.read(None, 100.0, has_links=True).values
        binding.field_values = {83: 3500, 138: 11 * 1024, 139: 42 * 1024}
        after = counters.read(None, 104.0, has_links=True).values

        assert {"energy_joules": 0.0} == before
        assert {
            "energy_joules": 2.5,
            "nvlink_send_mb_per_second": 2.5,
            "nvlink_receive_mb_per_second": 10.0,
        } == after

    def test_that_begin_at_0_again_do_not_take_away(self, library, binding):
        counters = NvmlCounters(library)
        found = []
        for millijoules in (9000, 10_000, 500, 1500):
            binding.field_values = {83: millijoules}
            found.append(counters.read(None, 0.0, has_links=False).values["energy_joules"])

        assert [0.0, 1.0, 1.0, 2.0] == found

    def test_are_not_asked_for_again_for_a_while_where_there_are_none(self, library, binding):
        counters = NvmlCounters(library)
        binding.field_values = {94: 1}
        first = counters.read(None, 0.0, has_links=False)
        counters.read(None, 59.0, has_links=False)
        assert [(94, 0)] == binding.made[-1]
        again = counters.read(None, 59.0, has_links=False)
        counters.read(None, 60.0, has_links=False)

        assert 5 == len(binding.made[-1])
        assert first.gaps.keys() == again.gaps.keys()
        assert {"pcie_replays": 1} == again.values

    def test_leave_out_links_that_are_not_in_use(self, library, binding):
        NvmlCounters(library).read(None, 0.0, has_links=False)

        assert {138, 139}.isdisjoint(number for number, _ in binding.made[-1])
