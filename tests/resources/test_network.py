"""Each byte that comes or goes is counted once, whatever it passes on its way."""

import json
import os
import shutil
import subprocess
import sys

import psutil
import pytest
from kernel_files import gaps_of, hand_out_in_pieces, link, stop_time, write

from vlog.resources.files import ROOT
from vlog.resources.network import Network, counted
from vlog.resources.source import is_unavailable

MB = 2**20
HEAD = (
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|"
    "bytes    packets errs drop fifo colls carrier compressed\n"
)


class Machine:
    """The interfaces of a machine, laid out in a folder."""

    def __init__(self, root):
        self.root = root
        self._lines = {}

    def physical(self, *names):
        for name in names:
            link(
                self.root, f"sys/class/net/{name}", f"sys/devices/pci0000:00/0000:{name}/net/{name}"
            )

    def virtual(self, *names, **facts):
        for name in names:
            target = f"sys/devices/virtual/net/{name}"
            link(self.root, f"sys/class/net/{name}", target)
            write(self.root, {f"{target}/{fact}": str(text) for fact, text in facts.items()})

    def below(self, name, master):
        link(self.root, f"sys/class/net/{name}/master", f"sys/class/net/{master}")

    def folder(self, name):
        (self.root / "sys/class/net" / name).mkdir(parents=True)

    def default_route(self, name):
        head = "Iface Destination Gateway Flags RefCnt Use Metric Mask\n"
        other = f"{name} 0000A8C0 00000000 0001 0 0 0 00FFFFFF\n"
        route = f"{name} 00000000 0100A8C0 0003 0 0 0 00000000\n"
        write(self.root, {"proc/self/net/route": head + other + route})

    def count(self, name, received=0, sent=0, errors=(0, 0, 0, 0)):
        """Let the interface have these counters."""
        ins, in_drops, outs, out_drops = errors
        self._lines[name] = (
            f"{name:>6}:{received} 7 {ins} {in_drops} 7 7 7 7 {sent} 7 {outs} {out_drops} 7 7 7 7"
        )
        self.write()

    def remove(self, name):
        del self._lines[name]
        self.write()

    def write(self):
        lines = "".join(f"{line}\n" for line in self._lines.values())
        write(self.root, {"proc/self/net/dev": HEAD + lines})


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.fixture
def make_network(monkeypatch, clock, machine):
    stop_time(monkeypatch, "network", clock)
    # KeptFile.read of counters in a file of a real file system: `Rates` takes the time itself.
    stop_time(monkeypatch, "rates", clock)
    return lambda **options: Network(machine.root, **options)


class TestNetwork:
    def test_sums_the_rates_of_the_physical_interfaces(self, machine, make_network, clock):
        machine.physical("eth0", "eth1")
        machine.virtual("lo", "bond0", "docker0")
        for name in ("eth0", "eth1", "lo", "bond0", "docker0"):
            machine.count(name)
        network = make_network()
        first = network.read().values
        clock.advance(2)
        machine.count("eth0", received=4 * MB, sent=MB, errors=(1, 2, 3, 4))
        machine.count("eth1", received=2 * MB, sent=MB)
        for name in ("lo", "bond0", "docker0"):
            machine.count(name, received=100 * MB, sent=100 * MB, errors=(9, 9, 9, 9))

        assert {} == first
        assert {
            "receive_mb_per_second": 3.0, "send_mb_per_second": 1.0, "errors_per_second": 5.0,
        } == network.read().values  # fmt: skip

    def test_has_no_jump_when_an_interface_comes_goes_or_starts_anew(
        self, machine, make_network, clock
    ):
        machine.physical("eth0", "eth1")
        machine.count("eth0", received=0)
        network = make_network()
        rates = [network.read().values.get("receive_mb_per_second")]
        for step in (
            lambda: (machine.count("eth0", MB), machine.count("eth1", 900 * MB)),
            lambda: (machine.count("eth0", 2 * MB), machine.count("eth1", 901 * MB)),
            lambda: (machine.count("eth0", 3 * MB), machine.count("eth1", 0)),
            lambda: (machine.count("eth0", 4 * MB), machine.remove("eth1")),
        ):
            clock.advance(1)
            step()
            rates.append(network.read().values["receive_mb_per_second"])

        assert [None, 1.0, 2.0, 1.0, 1.0] == rates

    def test_tells_each_interface_in_detail(self, machine, make_network, clock):
        machine.physical("eth1", "eth0")
        machine.virtual("lo")
        for name in ("lo", "eth1", "eth0"):
            machine.count(name)
        network = make_network(detailed=True)
        first = network.read().values
        clock.advance(1)
        machine.count("eth0", received=MB, sent=2 * MB)

        assert {} == first
        assert {
            "eth0": {"receive_mb_per_second": 1.0, "send_mb_per_second": 2.0},
            "eth1": {"receive_mb_per_second": 0.0, "send_mb_per_second": 0.0},
        } == network.read().values["interfaces"]

    def test_says_when_there_is_only_loopback(self, machine, make_network):
        machine.virtual("lo")
        machine.count("lo")
        fields = make_network().read()

        assert {} == fields.values
        assert "there is no interface but loopback" == gaps_of(fields)["receive_mb_per_second"]
        assert all(is_unavailable(error) for error in fields.gaps.values())

    def test_reads_as_many_interfaces_as_there_are(self, machine, make_network, clock, monkeypatch):
        """The kernel hands them out in pieces."""
        hand_out_in_pieces(monkeypatch)
        names = [f"eth{number}" for number in range(1000)]
        machine.physical(*names)
        for name in names:
            machine._lines[name] = f"{name}: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"
        machine.write()
        network = make_network()
        network.read()
        clock.advance(1)
        machine.count("eth999", received=MB)

        assert 1.0 == network.read().values["receive_mb_per_second"]


class TestInfiniBand:
    def ports(self, root, words):
        for card in ("mlx5_0", "mlx5_1"):
            counters = f"sys/class/infiniband/{card}/ports/1/counters"
            write(root, {
                f"{counters}/port_rcv_data": f"{words}\n",
                f"{counters}/port_xmit_data": f"{2 * words}\n",
            })  # fmt: skip

    def test_sums_its_ports_in_words_of_four_bytes(self, machine, make_network, clock):
        machine.physical("eth0")
        machine.count("eth0")
        self.ports(machine.root, 0)
        network = make_network()
        network.read()
        clock.advance(1)
        self.ports(machine.root, MB)
        found = network.read()

        assert 8.0 == found.values["infiniband_receive_mb_per_second"]
        assert 16.0 == found.values["infiniband_send_mb_per_second"]
        assert {} == found.gaps

    def test_has_a_thread_of_its_own_where_there_is_such_a_card(self, machine, make_network):
        without = make_network().can_block
        self.ports(machine.root, 0)

        assert (False, True) == (without, make_network().can_block)

    def test_is_no_number_where_a_port_cannot_be_read(self, machine, make_network):
        """A sum without it would be a false one; the other fields stand."""
        machine.physical("eth0")
        machine.count("eth0")
        self.ports(machine.root, 0)
        network = make_network()
        write(machine.root, {"sys/class/infiniband/mlx5_1/ports/1/counters/port_rcv_data": "?"})

        assert ["infiniband_receive_mb_per_second"] == list(network.read().gaps)

    def test_says_when_there_is_none(self, machine, make_network):
        machine.physical("eth0")
        machine.count("eth0")

        assert {
            "infiniband_receive_mb_per_second": "there is no InfiniBand",
            "infiniband_send_mb_per_second": "there is no InfiniBand",
        } == gaps_of(make_network().read())


class TestCounted:
    def of(self, machine, *names):
        return set(counted(names, machine.root))

    def test_are_the_physical_ones_of_a_host(self, machine):
        machine.physical("eth0", "eth1", "ib0")
        machine.virtual("lo", "bond0", "bond0.7", "br0", "docker0", "veth1", "ifb0", "tun0")
        machine.below("eth0", "bond0")
        machine.below("eth1", "bond0")
        machine.below("veth1", "docker0")
        machine.default_route("bond0")
        names = ["lo", "eth0", "eth1", "ib0", "bond0", "bond0.7", "br0", "docker0", "veth1", "tun0"]

        assert {"eth0", "eth1", "ib0"} == self.of(machine, *names)

    def test_are_all_but_loopback_and_bridges_in_a_container(self, machine):
        machine.virtual("lo", "eth0", "docker0", "veth1")
        machine.folder("docker0/bridge")
        machine.folder("veth1/brport")

        assert {"eth0"} == self.of(machine, "lo", "eth0", "docker0", "veth1")

    def test_are_both_the_card_and_the_door_of_a_container_that_was_given_a_card(self, machine):
        """Kubernetes with SR-IOV: the default network is a veth, whose other end is outside."""
        machine.physical("net1")
        machine.virtual("eth0", ifindex=3, iflink=22)
        machine.virtual("tun0", ifindex=4, iflink=4)
        machine.default_route("eth0")
        before = self.of(machine, "lo", "eth0", "net1", "tun0")
        machine.default_route("tun0")

        assert {"eth0", "net1"} == before
        assert {"net1"} == self.of(machine, "lo", "eth0", "net1", "tun0")

    def test_leave_out_a_vlan_with_the_default_route(self, machine):
        machine.physical("eth0")
        machine.virtual("eth0.7", ifindex=3, iflink=2)
        machine.folder("eth0.7/lower_eth0")
        machine.default_route("eth0.7")

        assert {"eth0"} == self.of(machine, "lo", "eth0", "eth0.7")

    def test_leave_out_a_card_whose_bytes_another_one_counts(self, machine):
        """Azure: the hypervisor's eth0 has the fast card below itself."""
        machine.physical("eth0", "enP30832s1")
        machine.virtual("lo")
        machine.below("enP30832s1", "eth0")

        assert {"eth0"} == self.of(machine, "lo", "eth0", "enP30832s1")

    def test_are_all_but_loopback_where_nothing_is_known(self, tmp_path):
        assert {"eth0", "eth1"} == counted(["lo", "eth0", "eth1"], tmp_path)


IN_NAMESPACE = """
import json, socket, types
from vlog.resources import network as module

seconds = iter([1.0, 2.0])
module.time = types.SimpleNamespace(perf_counter=lambda: next(seconds))
network = module.Network(detailed=True)
assert network.read().values == {}
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind(("veth0", 0))
for _ in range(1000):
    link.send(bytes(12) + b"\\x88\\xb5" + bytes(1034))
print(json.dumps(network.read().values))
"""


class TestOnThisMachine:
    def test_agrees_with_psutil(self, monkeypatch, clock):
        """Traffic goes on meanwhile: the truth lies between two readings of psutil."""
        stop_time(monkeypatch, "network", clock)
        names = counted(psutil.net_io_counters(pernic=True), ROOT)
        if not names:
            pytest.skip("there is no interface but loopback")
        network = Network()
        times = []
        for _ in range(2):
            earliest = received(names)
            found = network.read().values
            times.append((earliest, received(names)))
            clock.advance(1)
        rate = found["receive_mb_per_second"] * MB

        assert times[1][0] - times[0][1] - 1000 <= rate <= times[1][1] - times[0][0] + 1000

    @pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"),
        reason="to make a network takes root, unshare and ip",
    )
    def test_sees_the_network_of_its_own_namespace(self):
        """A real one with two ends of one cable: what goes into one comes out of the other."""
        commands = (
            "ip link add veth0 type veth peer name veth1 && ip link set veth0 up && "
            'ip link set veth1 up && exec "$0" -c "$1"'
        )
        result = subprocess.run(
            ["unshare", "-n", "sh", "-c", commands, sys.executable, IN_NAMESPACE],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if "ermitted" in result.stderr or "not supported" in result.stderr:
            pytest.skip(result.stderr)
        assert "" == result.stderr
        found = json.loads(result.stdout)
        sent = 1000 * 1048 / MB
        about_sent = pytest.approx(sent, abs=0.01)  # the kernel says hello on a new cable

        assert {"veth0", "veth1"} == set(found["interfaces"])
        assert about_sent == found["interfaces"]["veth0"]["send_mb_per_second"]
        assert about_sent == found["interfaces"]["veth1"]["receive_mb_per_second"]


def received(names):
    counters = psutil.net_io_counters(pernic=True)
    return sum(counters[name].bytes_recv for name in names)
