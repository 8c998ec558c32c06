// shim.cc - the only C++ of the tree: bench/shim.h on top of Google Benchmark.
//
// May include shim.h and benchmark/benchmark.h. Each function is one call of the library. A
// bench_state is the library's own State under another name: C sees only the pointer.
//
// Counters are given as sums over all iterations and divided by time in the library; an inverted
// rate is time by count, so distances / 1e9 come out as nanoseconds a distance.
#include "bench/shim.h"
#include <benchmark/benchmark.h>

using benchmark::Counter;
using benchmark::State;

static State &of(bench_state *state)
{
    return *reinterpret_cast<State *>(state);
}

int bench_start(int *argc, char **argv)
{
    benchmark::Initialize(argc, argv);
    return !benchmark::ReportUnrecognizedArguments(*argc, argv);
}

void bench_context(const char *key, const char *value)
{
    benchmark::AddCustomContext(key, value);
}

void bench_add(const char *name, bench_fn work, void *user)
{
    benchmark::RegisterBenchmark(
        name, [work, user](State &state) { work(reinterpret_cast<bench_state *>(&state), user); });
}

void bench_add_timed(const char *name, bench_fn work, void *user, long iterations)
{
    auto *added = benchmark::RegisterBenchmark(
        name, [work, user](State &state) { work(reinterpret_cast<bench_state *>(&state), user); });
    added->UseRealTime();
    if (iterations)
        added->Iterations(iterations);
}

size_t bench_run(void)
{
    const size_t n = benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return n;
}

int bench_next(bench_state *state)
{
    return of(state).KeepRunning();
}

void bench_pause(bench_state *state)
{
    of(state).PauseTiming();
}

void bench_resume(bench_state *state)
{
    of(state).ResumeTiming();
}

void bench_number(bench_state *state, const char *name, double value)
{
    of(state).counters[name] = Counter(value);
}

void bench_skip(bench_state *state, const char *why)
{
    of(state).SkipWithError(why);
}

void bench_distances(bench_state *state, double per_iteration, double bytes_per_iteration)
{
    const double iterations = static_cast<double>(of(state).iterations());
    of(state).counters["ns_per_distance"] =
        Counter(iterations * per_iteration * 1e-9, Counter::kIsRate | Counter::kInvert);
    of(state).counters["GB_per_s"] =
        Counter(iterations * bytes_per_iteration * 1e-9, Counter::kIsRate);
}

void bench_operations(bench_state *state, double per_iteration)
{
    const double iterations = static_cast<double>(of(state).iterations());
    of(state).counters["ns_per_op"] =
        Counter(iterations * per_iteration * 1e-9, Counter::kIsRate | Counter::kInvert);
}

void bench_rate(bench_state *state, const char *name, double value)
{
    of(state).counters[name] = Counter(value, Counter::kIsRate);
}

void bench_per_second(bench_state *state, double per_iteration)
{
    of(state).counters["per_second"] =
        Counter(static_cast<double>(of(state).iterations()) * per_iteration, Counter::kIsRate);
}
