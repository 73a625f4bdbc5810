"""The summary says what the log says, for runs that ended in any way."""

import dataclasses
import os
import platform
import subprocess
import sys
import time

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vlog.analysis.rank_collector import KILLED
from vlog.analysis.run_summary import EtaCheck, Overhead, Range, State
from vlog.analysis.summary import summarize
from vlog.clock import iso_timestamp
from vlog.segments import segment_path


def summary_of(run, log):
    return summarize(run.write(log)).last_run


class TestSummarize:
    def test_says_what_ran(self, log, sample_run):
        run = summary_of(sample_run().whole(), log)

        assert ("run-a", 0, 16) == (run.run_id, run.rank, run.entries)
        assert platform.node() == run.started.host
        assert ["python", "train.py", "--fast"] == run.started.command
        assert {"python": "3.11.7", "torch": "2.9.0"} == run.started.versions
        assert "high" == run.started.verbosity
        assert 1_200_000 == run.model["total_parameters"]
        assert 800 == run.dataset["train"]["size"]
        assert {"INFO": 16} == run.levels
        assert 10 == run.types["training_step_complete"]

    def test_says_how_far_it_came(self, log, sample_run):
        run = summary_of(sample_run().begin().train(4), log)

        assert (4, 10, 40.0, 0.4) == (
            run.progress.step,
            run.progress.total_steps,
            run.progress.percent,
            run.progress.epoch,
        )

    def test_counts_an_evaluation_after_a_run_as_one_of_it(self, log, sample_run):
        sample_run().whole().write(log)
        before = summarize(log).last_run
        alone = {
            "type": "evaluation_complete",
            "after_run": "run-a",
            "metrics": {"eval_loss": 0.25},
        }
        with log.open("ab") as stream:
            stream.write(orjson.dumps(alone) + b"\n")
        (run,) = summarize(log).runs

        assert State.COMPLETE is run.state
        assert before.evaluations.count + 1 == run.evaluations.count
        assert 0.25 == run.evaluations.last["eval_loss"]

    def test_follows_the_loss(self, log, sample_run):
        sample = sample_run().begin().train()
        sample.step = 11
        sample.add_step(metrics={"loss": 0.9, "learning_rate": 5e-5, "grad_norm": 2.5})
        run = summary_of(sample.end(), log)

        assert (4.0, 0.9, 0.4, 10, 11) == (
            run.loss.first,
            run.loss.last,
            run.loss.best,
            run.loss.best_step,
            run.loss.logged,
        )
        assert (5e-5, 2.5) == (run.learning_rate, run.grad_norm)

    def test_counts_losses_that_are_not_finite(self, log, sample_run):
        """Those of a step's own entry and those that a mean over steps hides."""
        sample = sample_run().begin().train(3)
        sample.add_step(metrics={"loss": None}, non_finite={"metrics.loss": "nan"})
        sample.add_step(loss_window_steps=10, non_finite_steps=[5, 7])
        run = summary_of(sample.end(), log)

        assert 3 == run.loss.non_finite

    def test_counts_a_step_once_that_two_entries_name(self, log, sample_run):
        """Its own entry, and that of the log whose mean it is part of."""
        sample = sample_run().begin().train(3)
        sample.add_step(metrics={"loss": None}, non_finite={"metrics.loss": "nan"})
        sample.step = 4
        sample.add(
            "training_metrics_update",
            metrics={"loss": 0.5},
            loss_window_steps=4,
            non_finite_steps=[2, 3],
        )
        run = summary_of(sample, log)

        assert (2, 0.5) == (run.loss.non_finite, run.loss.last)

    @pytest.mark.parametrize("verbosity", ["low", "high"])
    def test_takes_the_count_of_the_end_entry(self, log, sample_run, verbosity):
        sample = sample_run(verbosity=verbosity).begin()
        if verbosity == "high":
            sample.train(3)
            sample.add_step(metrics={"loss": None}, non_finite={"metrics.loss": "nan"})
        run = summary_of(sample.end(statistics={"non_finite_losses": 150}), log)

        assert 150 == run.loss.non_finite

    def test_shows_no_zero_that_the_trainers_filter_made_up(self, log, sample_run):
        """Not of a step whose loss is null, not of a window without a finite loss."""
        sample = sample_run().begin()
        sample.step = 1
        sample.add_step(metrics={"loss": None}, non_finite={"metrics.loss": "nan"})
        sample.add("training_metrics_update", metrics={"loss": 0.0})
        sample.step = 3
        sample.add_step(metrics={"loss": 0.0}, loss_window_steps=2, non_finite_steps=[2, 3])
        sample.end(statistics={"final_loss": 0.0, "best_loss": 0.0})
        loss = summary_of(sample, log).loss

        assert (None, None, None, 3) == (loss.first, loss.last, loss.best, loss.non_finite)

    def test_shows_no_made_up_zero_of_the_end_entry(self, log, sample_run):
        sample = sample_run(verbosity="low").begin()
        sample.end(statistics={"final_loss": 0.0, "best_loss": 0.0, "non_finite_losses": 3})
        loss = summary_of(sample, log).loss

        assert (None, None, 3) == (loss.last, loss.best, loss.non_finite)

    def test_has_no_mean_beyond_what_floats_hold(self, log, sample_run):
        sample = sample_run().begin()
        for sample.step in (1, 2):
            sample.add_step(timing={"step_time_seconds": 1e308})
        step_time = summary_of(sample, log).time.step_time

        assert (None, 1e308, 1e308) == (step_time.mean, step_time.median, step_time.max)

    def test_takes_no_negative_number_of_steps(self, log, sample_run):
        sample = sample_run().begin()
        sample.add("training_start", total_steps=-4, progress={"progress_percent": 1e300})
        sample.entries[2]["total_steps"] = -4
        progress = summary_of(sample, log).progress

        assert (None, None) == (progress.total_steps, progress.percent)

    def test_adds_up_evaluations_and_checkpoints(self, log, sample_run):
        run = summary_of(sample_run().begin().train().save().save("out/checkpoint-11").end(), log)

        assert (1, 1.25, 5) == (
            run.evaluations.count,
            run.evaluations.best_loss,
            run.evaluations.best_step,
        )
        assert {"eval_loss": 1.25, "eval_accuracy": 0.5} == run.evaluations.last
        assert (2, "out/checkpoint-11", 25.0) == (
            run.checkpoints.count,
            run.checkpoints.last_path,
            run.checkpoints.total_size_mb,
        )

    def test_measures_the_steps(self, log, sample_run):
        sample = sample_run().begin()
        for sample.step in range(1, 102):
            sample.add_step(timing={"step_time_seconds": float(sample.step)})
        step_time = summary_of(sample.end(), log).time.step_time

        assert (101, 51.0, 51.0, 96.0, 1.0, 101.0) == dataclasses.astuple(step_time)

    def test_takes_the_runs_own_statistics_where_there_are_no_step_entries(self, log, sample_run):
        """At low verbosity the end entry says it all."""
        sample = sample_run(verbosity="low").begin()
        sample.step = 10
        run = summary_of(sample.end(), log)

        assert (10, 2.0, 2.0, None, None, 2.5) == dataclasses.astuple(run.time.step_time)
        assert (0.4, 0.4) == (run.loss.last, run.loss.best)

    def test_takes_the_phases_of_the_end_entry(self, log, sample_run):
        run = summary_of(sample_run().whole(), log)

        assert [("forward_backward", 16.0), ("evaluation", 6.0)] == list(run.time.phases.items())

    def test_adds_the_phases_up_where_no_entry_has_them(self, log, sample_run):
        run = summary_of(sample_run().begin().train().save(), log)

        assert {
            "forward_backward": 10.0,
            "evaluation": 6.0,
            "data_wait": 5.0,
            "optimizer": 5.0,
            "checkpoint": 4.0,
        } == run.time.phases
        assert 30.0 == run.time.duration_seconds

    def test_sets_the_prediction_at_half_way_beside_what_happened(self, log, sample_run):
        """At step 5: five steps of 2 s to go. Then came an evaluation and a checkpoint too."""
        run = summary_of(sample_run().whole(), log)

        assert (
            EtaCheck(step=5, predicted_minutes=10 / 60, actual_minutes=20 / 60)
            == run.time.eta_check
        )

    def test_says_nothing_of_a_prediction_for_a_run_that_was_cut_short(self, log, sample_run):
        run = summary_of(sample_run().begin().train(7).end("training_interrupted", reason="x"), log)

        assert run.time.eta_check.actual_minutes is None

    def test_takes_half_way_of_what_a_resumed_run_has_to_do(self, log, sample_run):
        sample = sample_run()
        sample.step = 6
        sample.begin()
        sample.entries[-1]["start_step"] = 6
        run = summary_of(sample.train().end(), log)

        assert (6, 8) == (run.progress.start_step, run.time.eta_check.step)

    def test_has_mean_and_peak_of_the_resources(self, log, sample_run):
        resources = summary_of(sample_run().whole(), log).resources

        assert 10 == resources.readings
        assert Range(mean=55.5, peak=60.0) == resources.cpu_percent
        assert Range(mean=65.5, peak=70.0) == resources.memory_percent
        assert Range(mean=pytest.approx(2.55), peak=3.0) == resources.process_memory_gb

    def test_joins_alerts_with_their_end(self, log, sample_run):
        sample = sample_run().begin().train(3)
        for seconds in (1.5, 2.5):
            sample.add(
                "resource_warning", "Memory!", "WARNING", alert="high_memory_usage", value=91.0
            )
            sample.add("alert_resolved", alert="high_memory_usage", active_seconds=seconds)
        sample.add("training_anomaly", "NaN!", "WARNING", alert="non_finite_loss", value=None)
        memory, loss = summary_of(sample, log).alerts

        assert (
            "high_memory_usage", None, 2, "WARNING", 3, "Memory!", False, 4.0, [0],
        ) == dataclasses.astuple(memory)  # fmt: skip
        assert ("non_finite_loss", 1, True, None) == (
            loss.name,
            loss.count,
            loss.is_active,
            loss.active_seconds,
        )

    def test_keeps_the_subjects_of_an_alert_apart(self, log, sample_run):
        sample = sample_run().begin().train(3)
        for gpu in ("gpu 0", "gpu 1"):
            sample.add("resource_warning", "Hot!", "WARNING", alert="hot", subject=gpu)
        sample.add("alert_resolved", alert="hot", subject="gpu 0", active_seconds=1.0)
        first, second = summary_of(sample, log).alerts

        assert [("gpu 0", False), ("gpu 1", True)] == [
            (each.subject, each.is_active) for each in (first, second)
        ]

    def test_has_each_gpu_and_what_was_missing(self, log, sample_run):
        sample = sample_run().begin()
        for sample.step in (1, 2):
            devices = [
                {"index": 0, "name": "H100", "memory_usage_percent": 40.0 * sample.step,
                 "power_watts": 300.0, "energy_joules": 3.6e6 * sample.step},
                {"index": 1, "mig": {"gpu_instance_id": 7}, "memory_usage_percent": 5.0},
            ]  # fmt: skip
            missing = {"temperatures": {"why": "no sensors", "since": "-", "is_lost": False}}
            sample.add_step(resource_usage={"gpu": {"devices": devices}}, resource_missing=missing)
        resources = summary_of(sample, log).resources

        assert ["0", "1 mig 7"] == list(resources.gpus)
        gpu = resources.gpus["0"]
        assert ("H100", 7.2e6) == (gpu.product, gpu.energy_joules)
        assert (Range(mean=60.0, peak=80.0), Range(mean=300.0, peak=300.0)) == (
            gpu.memory_percent, gpu.power_watts
        )  # fmt: skip
        assert Range() == gpu.temperature_celsius
        assert {"temperatures": "no sensors"} == resources.missing

    def test_says_whose_memory_and_how_full_each_disk_was(self, log, sample_run):
        sample = sample_run().begin()
        for sample.step in (1, 2):
            disks = [{"mount": "/", "usage_percent": 10.0 * sample.step}, {"mount": "/data"}]
            memory = {"usage_percent": 5.0, "scope": "cgroup", "total_gb": 2.0}
            sample.add_step(resource_usage={"memory": memory, "disk": {"file_systems": disks}})
        resources = summary_of(sample, log).resources

        assert ("cgroup", 2.0) == (resources.memory_scope, resources.memory_total_gb)
        assert {"/": Range(mean=15.0, peak=20.0)} == resources.disks

    def test_takes_the_overhead_of_the_end_entry(self, log, sample_run):
        overhead = summary_of(sample_run().whole(), log).overhead

        assert Overhead(0.02, 0.1, failed=0) == overhead

    def test_takes_the_overhead_of_the_other_entries_without_one(self, log, sample_run):
        sample = sample_run().begin()
        sample.step = 1
        section = {"training_thread_seconds": 0.01, "training_thread_percent": 0.5}
        sample.add_step(overhead={**section, "bytes_written": 512})
        sample.add(
            "overhead_budget", step=1, change="shed", extra="trends", shed=["trends"],
            overhead_percent=1.5, budget_percent=1.0,
        )  # fmt: skip
        sample.step = 9
        sample.add_step()
        overhead = summary_of(sample, log).overhead

        assert (0.01, 0.5) == (overhead.training_thread_seconds, overhead.training_thread_percent)
        assert (512.0, ["trends"], 8) == (
            overhead.bytes_per_step, overhead.shed, overhead.shed_steps
        )  # fmt: skip

    def test_has_all_runs_in_order(self, log, sample_run):
        sample_run("a").whole().write(log)
        sample_run("b").begin(resumed_from="a", previous_run_id="a").train(2).write(log)

        first, second = summarize(log).runs

        assert ("a", State.COMPLETE, {}) == (first.run_id, first.state, first.started.links)
        assert {"resumed_from": "a", "previous_run_id": "a"} == second.started.links

    def test_has_the_files_and_the_lines_that_cannot_be_read(self, log, sample_run):
        sample_run().whole().write(segment_path(log, 1))
        log.write_bytes(b"rubbish\n{torn")
        summary = summarize(log)

        assert [str(segment_path(log, 1)), str(log)] == [file.path for file in summary.files]
        assert 13 == summary.files[1].bytes
        assert (16, 1) == (summary.entries, summary.unreadable_lines)

    def test_becomes_json(self, log, sample_run):
        summary = summarize(sample_run().whole().write(log))

        assert dataclasses.asdict(summary) == orjson.loads(orjson.dumps(summary))

    @pytest.mark.parametrize("content", [b"", b"\n", b"\0\0\0", b"{}\n", b'{"run_id":"x"}\n'])
    def test_takes_any_log(self, log, content):
        log.write_bytes(content)

        assert summarize(log).entries == content.count(b"{")

    def test_leaves_log_records_of_no_run_alone(self, log):
        log.write_bytes(b'{"type":"log_record","message":"x"}\n')
        summary = summarize(log)

        assert (1, [], None) == (summary.entries, summary.runs, summary.last_run)

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
    @given(data=st.data())
    def test_survives_fields_of_any_type(self, tmp_path, sample_run, data):
        """Whatever stands in place of any value, at any depth, there is a summary."""
        sample = sample_run().whole()
        odd = st.none() | st.booleans() | st.text() | st.just([]) | st.just({}) | st.just(2**64 - 1)
        for entry in sample.entries:
            path = data.draw(st.sampled_from(list(_places(entry))))
            _replace(entry, path, data.draw(odd))

        log = tmp_path / "odd.jsonl"
        log.unlink(missing_ok=True)
        orjson.dumps(summarize(sample.write(log)))


def _places(value, path=()):
    for key, inner in value.items():
        yield (*path, key)
        if isinstance(inner, dict):
            yield from _places(inner, (*path, key))


def _replace(entry, path, value):
    for key in path[:-1]:
        entry = entry[key]
    entry[path[-1]] = value


class TestStandardLog:
    def flat(self, kind, second, **numbers):
        return {
            "timestamp": f"2025-01-10T11:30:{second:02d}.000000+01:00",
            "type": kind,
            "level": "INFO",
            "message": kind,
        } | numbers

    def test_is_summarized_from_its_flat_entries(self, log):
        entries = [self.flat("training_start", 0, step=0)]
        entries += [
            self.flat(
                "training_step_complete",
                step,
                step=step,
                loss=4 / step,
                learning_rate=1e-4,
                step_time=1.0,
                eta_minutes=(4 - step) / 60,
                remaining_steps=4 - step,
                progress_percent=25.0 * step,
            )
            for step in range(1, 5)
        ]
        entries.append(self.flat("training_complete", 5))
        log.write_bytes(b"".join(orjson.dumps(entry) + b"\n" for entry in entries * 2))

        first, second = summarize(log).runs

        assert (None, None, State.COMPLETE) == (second.run_id, second.rank, second.state)
        assert (4, 4, 100.0) == (
            second.progress.step,
            second.progress.total_steps,
            second.progress.percent,
        )
        assert (4.0, 1.0) == (second.loss.first, second.loss.last)
        assert 1.0 == second.time.step_time.median
        assert EtaCheck(2, 2 / 60, 3 / 60) == second.time.eta_check
        assert 6 == first.entries

    def test_does_not_say_how_a_run_without_end_ended(self, log):
        log.write_bytes(orjson.dumps(self.flat("training_start", 0)))

        assert State.UNKNOWN is summarize(log).last_run.state


class TestState:
    def test_is_complete(self, log, sample_run):
        run = summary_of(sample_run().whole(), log)

        assert (State.COMPLETE, "the training ended by itself") == (run.state, run.ending)

    def test_is_failed_with_the_exception(self, log, sample_run):
        exception = {"type": "ValueError", "message": "bad", "stack": "..."}
        run = summary_of(sample_run().begin().end("training_failed", exception=exception), log)

        assert (State.FAILED, "ValueError: bad") == (run.state, run.ending)

    def test_is_interrupted_with_the_reason(self, log, sample_run):
        run = summary_of(sample_run().begin().end("training_interrupted", reason="SIGTERM"), log)

        assert (State.INTERRUPTED, "SIGTERM") == (run.state, run.ending)

    def test_is_ended_abnormally_without_end_entry_and_process(self, log, sample_run):
        run = summary_of(sample_run().begin().train(3), log)

        assert (State.ENDED_ABNORMALLY, KILLED) == (run.state, run.ending)

    def test_is_unknown_for_a_run_of_another_host(self, log, sample_run):
        """Nobody here can say whether its process is alive."""
        run = summary_of(sample_run(host="elsewhere").begin().train(3), log)

        assert (State.UNKNOWN, "no end entry; it ran on elsewhere") == (run.state, run.ending)

    def test_is_running_while_the_process_is_alive(self, log, sample_run):
        """A live process of that number must have been there when the run began."""
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
            sample = sample_run(pid=process.pid).begin().train(3)
            states = {}
            for name, start in (("now", time.time()), ("long ago", 1e9)):
                for entry in sample.entries:
                    entry["timestamp"] = iso_timestamp(start)
                log.unlink(missing_ok=True)
                states[name] = summary_of(sample, log).state
            process.communicate(b"\n")

        assert {"now": State.RUNNING, "long ago": State.ENDED_ABNORMALLY} == states

    def test_is_not_running_once_its_process_has_begun_another_run(self, log, sample_run):
        for run_id in ("a", "b"):
            sample = sample_run(run_id, pid=os.getpid()).begin().train(1)
            for entry in sample.entries:
                entry["timestamp"] = iso_timestamp(time.time())
            sample.write(log)

        assert [State.ENDED_ABNORMALLY, State.RUNNING] == [run.state for run in summarize(log).runs]

    def test_is_not_running_when_its_process_is_a_zombie(self, log, sample_run):
        process = subprocess.Popen([sys.executable, "-c", ""])
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        sample = sample_run(pid=process.pid).begin()
        for entry in sample.entries:
            entry["timestamp"] = iso_timestamp(time.time())

        assert State.ENDED_ABNORMALLY is summary_of(sample, log).state
        process.wait()


class TestRanks:
    """A run of several ranks is one run: its course is the lowest rank's."""

    def write(self, log, sample_run, rank, change=lambda run: run.whole(), **options):
        run = change(sample_run("a", pid=4_194_304 + rank, **options))
        for entry in run.entries:
            entry["rank"] = rank
        return run.write(log.with_name(f"run.rank{rank}.jsonl") if rank else log)

    def test_are_one_run_with_the_course_of_the_lowest(self, log, sample_run):
        self.write(log, sample_run, 0)
        self.write(log, sample_run, 1, lambda run: run.begin().train(8))

        (run,) = summarize(log).runs

        assert ("a", 0, State.COMPLETE, 10, 10) == (
            run.run_id, run.rank, run.state, run.progress.step, run.loss.logged
        )  # fmt: skip
        assert [
            (0, State.COMPLETE, 10, 16, "2025-01-10T11:30:38.000000+01:00"),
            (1, State.ENDED_ABNORMALLY, 8, 12, "2025-01-10T11:30:30.000000+01:00"),
        ] == [(rank.rank, rank.state, rank.step, rank.entries, rank.last) for rank in run.ranks]

    def test_have_the_course_of_the_lowest_that_is_there(self, log, sample_run):
        for rank, steps in ((3, 6), (2, 7)):
            self.write(log, sample_run, rank, lambda run, n=steps: run.begin().train(n).end())

        (run,) = summarize(log).runs

        assert (2, 7, [2, 3]) == (run.rank, run.progress.step, [each.rank for each in run.ranks])

    def test_have_the_course_of_the_lowest_whichever_begins(self, log, sample_run):
        """Rank 1 writes its whole log before rank 0 begins."""
        self.write(log, sample_run, 1, lambda run: run.begin().train(4))

        def later(run):
            run.seconds = 3600
            return run.whole()

        self.write(log, sample_run, 0, later)

        (run,) = summarize(log).runs

        assert (0, 10, 16) == (run.rank, run.progress.step, run.entries)
        assert [0, 1] == [rank.rank for rank in run.ranks]

    def test_share_their_alerts(self, log, sample_run):
        def warn(names):
            def change(run):
                run.begin()
                for name in names:
                    run.add("resource_warning", name, "WARNING", alert=name)
                return run.end()

            return change

        self.write(log, sample_run, 0, warn(["memory"]))
        self.write(log, sample_run, 1, warn(["memory", "heat"]))

        (run,) = summarize(log).runs

        assert [("memory", [0, 1], 1), ("heat", [1], 1)] == [
            (alert.name, alert.ranks, alert.count) for alert in run.alerts
        ]
        assert [1, 2] == [rank.alerts for rank in run.ranks]

    def test_of_two_hosts_may_have_the_same_process_number(self, log, sample_run):
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
            for rank, host in ((0, None), (1, "elsewhere")):
                run = sample_run("a", pid=process.pid, host=host).begin()
                for entry in run.entries:
                    entry |= {"rank": rank, "timestamp": iso_timestamp(time.time())}
                run.write(log.with_name("run.rank1.jsonl") if rank else log)
            (run,) = summarize(log).runs
            process.communicate(b"\n")

        assert [State.RUNNING, State.UNKNOWN] == [rank.state for rank in run.ranks]

    def test_have_their_files_listed(self, log, sample_run):
        for rank in (0, 1):
            self.write(log, sample_run, rank)
        log.rename(segment_path(log, 1))
        self.write(log, sample_run, 0)

        files = [("run.jsonl.000001", True), ("run.jsonl", False), ("run.rank1.jsonl", False)]
        assert files == [
            (file.path.rpartition("/")[2], file.is_segment) for file in summarize(log).files
        ]

    def test_know_how_many_the_launcher_started(self, log, sample_run):
        def started(run):
            run.begin()
            run.entries[0]["environment"]["launcher"] = {"world_size": "8"}
            return run

        self.write(log, sample_run, 0, started)

        assert 8 == summarize(log).last_run.started.world_size


class TestProcesses:
    def test_of_the_standard_log_have_runs_of_their_own(self, log):
        """Two processes wrote flat entries at the same time, without a name for their runs."""
        flat = TestStandardLog().flat
        for path, second in ((log, 0), (log.with_name("run.pid7.jsonl"), 1)):
            entries = [flat("training_start", second, step=0)]
            entries += [flat("training_step_complete", second + 2, step=1, loss=float(second))]
            entries += [flat("training_complete", second + 4)]
            path.write_bytes(b"".join(orjson.dumps(entry) + b"\n" for entry in entries))

        assert [(3, 0.0), (3, 1.0)] == [(run.entries, run.loss.last) for run in summarize(log).runs]


class TestSwitchedVerbosity:
    def test_the_runs_own_numbers_count_where_steps_have_no_entry(self, sample_run, tmp_path):
        """Steps 5 to 10 were written at low: the end entry alone knows of them."""
        sample = sample_run(steps=10).begin().train(4)
        sample.add(
            "verbosity_changed", step=4, verbosity_before="high", verbosity_now="low", source="x"
        )
        statistics = {"steps": 10, "final_loss": 0.001, "best_loss": 0.0005, "total_steps": 10}
        sample.add("log_record", "bad", "ERROR", logger="app", step=7)
        sample.add("training_complete", step=10, statistics=statistics)
        run = summarize(sample.write(tmp_path / "run.jsonl")).runs[-1]

        assert (10, 100.0) == (run.progress.step, run.progress.percent)
        assert (0.001, 0.0005, None) == (run.loss.last, run.loss.best, run.loss.best_step)
        assert "high; low from step 4 on" == run.started.verbosity
        assert {"ERROR": 1} == run.records
