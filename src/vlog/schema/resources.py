"""The fields of `resource_usage`: what the monitor measures."""

from __future__ import annotations

from vlog.schema.fields import MEDIUM, ULTRA, Field, amount, count, percent, section, text


def _celsius(name: str, about: str) -> Field:
    """Return a temperature that something which still works can have."""
    return Field(name, "number", about, minimum=-100, maximum=200)


_CPU = section(
    "cpu",
    "processor, of the cores that this process may use",
    percent("usage_percent", "busy share of what may be used: see `scope`"),
    text("scope", "host, cpuset (only some cores) or cgroup (a quota): what the share is of"),
    amount("usable_cores", "cores that this process may use, a quota counted as a part"),
    percent("host_usage_percent", "busy share of all cores of the host, where the scope is less"),
    percent("steal_percent", "time that the hypervisor gave to others"),
    percent("iowait_percent", "time idle with a disk to wait for"),
    amount("load_1_minute", "load average of the host"),
    percent("throttled_percent", "time in which the quota held some of the group back"),
    amount("frequency_mhz", "mean over the cores that may be used", tier=ULTRA),
    Field(
        "per_core_percent",
        "array",
        "busy share of each core, in the kernel's order",
        values="number",
        tier=ULTRA,
    ),
)
_MEMORY = section(
    "memory",
    "memory, of the tightest limit",
    percent("usage_percent", "share that cannot be reclaimed: see `scope`"),
    text("scope", "host or cgroup: whose limit `total_gb` is"),
    amount("used_gb", "in use, without what can be reclaimed"),
    amount("available_gb", "that can still be had"),
    amount("total_gb", "the limit"),
    percent("host_usage_percent", "the same share of the host, where the scope is less"),
    amount("swap_used_gb", "swap in use on the host"),
    percent("swap_percent", "its share of the host's swap"),
    count("oom_kills", "processes of the control group that were killed for memory so far"),
    text("cgroup", "path of the group whose limit it is", tier=ULTRA),
)
_PRESSURE = section(
    "pressure",
    "time in which work stood still for want of something (PSI of the host)",
    percent("cpu_some_percent", "some task waited for a processor"),
    percent("memory_some_percent", "some task waited for memory"),
    percent("memory_full_percent", "all tasks waited for memory"),
    percent("io_some_percent", "some task waited for a disk"),
    percent("io_full_percent", "all tasks waited for a disk"),
)
_DISK = section(
    "disk",
    "the file systems that hold the log and the output folder",
    Field(
        "file_systems",
        "array",
        "one object each",
        items=(
            text("mount", "where it is mounted"),
            Field("holds", "array", "log, output", values="string"),
            percent("usage_percent", "as df has it: used of what an ordinary user can have"),
            amount("used_gb", "in use"),
            amount("free_gb", "free for this user"),
            amount("total_gb", "size"),
            percent("inodes_percent", "files of all that it can have"),
            amount("read_mb_per_second", "of its device"),
            amount("write_mb_per_second", "of its device"),
            percent("busy_percent", "time in which its device had something to do"),
        ),
    ),
)
_NETWORK = section(
    "network",
    "traffic of the physical interfaces, each byte once",
    amount("receive_mb_per_second", "bytes in"),
    amount("send_mb_per_second", "bytes out"),
    amount("errors_per_second", "packets in error or dropped, in and out"),
    amount("infiniband_receive_mb_per_second", "bytes in, past the kernel (RDMA)"),
    amount("infiniband_send_mb_per_second", "bytes out, past the kernel (RDMA)"),
    Field(
        "interfaces",
        "object",
        "both rates of each interface that counts",
        items=(
            amount("receive_mb_per_second", "bytes in"),
            amount("send_mb_per_second", "bytes out"),
        ),
        tier=ULTRA,
    ),
)
_PROCESS = section(
    "process",
    "this process",
    amount("memory_gb", "resident memory"),
    percent("memory_percent", "resident share of `memory.total_gb`"),
    amount("cpu_percent", "CPU use, 100 for each busy core"),
    count("threads", "threads"),
    count("open_files", "descriptors"),
    amount("read_mb_per_second", "read from disks"),
    amount("write_mb_per_second", "written to disks"),
    amount("major_faults_per_second", "page faults that waited for a disk"),
    Field(
        "gc_collections",
        "array",
        "runs of the garbage collector so far, by generation",
        values="integer",
    ),
)
_CHILDREN = section(
    "children",
    "all processes below this one (DataLoader workers), summed",
    count("count", "processes"),
    amount("memory_gb", "resident memory; a page that several share counts in each"),
    amount("cpu_percent", "CPU use, 100 for each busy core"),
    count("threads", "threads"),
    amount("read_mb_per_second", "read from disks"),
    amount("write_mb_per_second", "written to disks"),
)
_ALLOCATOR = section(
    "allocator",
    "torch's memory on this device",
    amount("allocated_gb", "in tensors"),
    amount("reserved_gb", "held by the allocator"),
    amount("peak_allocated_gb", "most in tensors since the program's last reset"),
    amount("peak_reserved_gb", "most held since the program's last reset"),
    percent("fragmentation_percent", "share of the reserved that is split off and unused"),
    count("retries", "times that it had to give its cache back to go on"),
    count("out_of_memory_count", "times that it ran out of memory"),
)
_GPU = section(
    "gpu",
    "the accelerators that this process uses",
    Field(
        "devices",
        "array",
        "one object each",
        items=(
            count("index", "number of the device for NVML and nvidia-smi, or for its driver"),
            count("cuda_index", "number of the device for torch"),
            text("name", "product"),
            text("uuid", "identity"),
            text("source", "nvml, torch or amdgpu: who told"),
            percent("utilization_percent", "time in which a kernel ran"),
            percent("memory_usage_percent", "memory in use, by everybody"),
            amount("memory_used_gb", "memory in use, by everybody"),
            amount("memory_total_gb", "memory of the device"),
            text("memory_scope", "device, mig, unified (the host's) or process (what it may have)"),
            amount("process_memory_gb", "memory of this process, as the driver counts it"),
            amount("power_watts", "power"),
            amount("power_limit_watts", "enforced limit"),
            amount("energy_joules", "energy since the first reading"),
            _celsius("temperature_celsius", "of the chip"),
            _celsius("memory_temperature_celsius", "of the memory"),
            _celsius("slowdown_temperature_celsius", "at which it throttles"),
            percent("fan_percent", "fan", tier=ULTRA),
            amount("sm_clock_mhz", "clock of the processors"),
            amount("memory_clock_mhz", "clock of the memory"),
            Field(
                "throttle_reasons",
                "array",
                "why the clocks are held down, if they are",
                values="string",
            ),
            count("ecc_corrected", "memory errors corrected since the driver was loaded"),
            count("ecc_uncorrected", "memory errors not corrected since the driver was loaded"),
            amount("pcie_receive_mb_per_second", "host to device, in 20 ms of the last 5 readings"),
            amount("pcie_send_mb_per_second", "device to host, in 20 ms of the last 5 readings"),
            count("pcie_replays", "retransmissions so far", tier=ULTRA),
            amount("nvlink_receive_mb_per_second", "all links"),
            amount("nvlink_send_mb_per_second", "all links"),
            section(
                "mig",
                "which part of a device it is",
                count("gpu_instance_id", "its GPU instance"),
                count("compute_instance_id", "its compute instance"),
            ),
            amount("age_seconds", "age at the time of the reading, if it is an older one"),
            _ALLOCATOR,
        ),
    ),
    text("driver_version", "NVIDIA driver", tier=ULTRA),
)
_TEMPERATURES = section(
    "temperatures",
    "sensors of the host in degrees Celsius, by name",
    _celsius("max_celsius", "the hottest"),
    Field(
        "sensors",
        "object",
        "every one",
        items=(
            _celsius("celsius", "what it shows"),
            _celsius("critical_celsius", "what it calls critical, where that is known"),
        ),
    ),
    tier=ULTRA,
)
AGE = amount("age_seconds", "age at the time of the reading, if it is an older one")


def _with_age(each: Field) -> Field:
    return section(each.name, each.about, *each.fields, AGE, tier=each.tier)


RESOURCE_USAGE = section(
    "resource_usage",
    "the latest reading of the monitor (every 5th step at medium, every step from high on)",
    *(
        _with_age(each)
        for each in (
            _CPU,
            _MEMORY,
            _PRESSURE,
            _DISK,
            _NETWORK,
            _PROCESS,
            _CHILDREN,
            _TEMPERATURES,
            _GPU,
        )
    ),
    tier=MEDIUM,
)
