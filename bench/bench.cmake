# bench.cmake - micro-benchmarks on Google Benchmark, and the loops of bench/peers/. Included by
# CMakeLists.txt.
if(KITH_BENCH)
    enable_language(CXX)
    find_package(benchmark REQUIRED)
    add_executable(bench_kernels bench/bench_kernels.c bench/bench_kernel_rows.c
                   bench/bench_kernel_peaks.c bench/shim.cc)
    target_compile_features(bench_kernels PRIVATE cxx_std_14)
    target_link_libraries(bench_kernels PRIVATE kith_inside kith_flags benchmark::benchmark)
    set_target_properties(bench_kernels PROPERTIES OUTPUT_NAME kith-bench-kernels)
    if(TARGET kith_tool) # `kith kernels` runs it
        add_dependencies(kith_tool bench_kernels)
    endif()
    add_executable(bench_kv_order bench/bench_kv_order.c bench/shim.cc)
    target_compile_features(bench_kv_order PRIVATE cxx_std_14)
    target_link_libraries(bench_kv_order PRIVATE kith_inside kith_flags benchmark::benchmark)
    pkg_check_modules(LMDB IMPORTED_TARGET lmdb) # what Kith's store is compared with
    pkg_check_modules(SQLITE IMPORTED_TARGET sqlite3)
    if(LMDB_FOUND AND SQLITE_FOUND)
        add_executable(bench_store bench/bench_store.c bench/store_kith.c bench/store_lmdb.c
                       bench/store_sqlite.c bench/shim.cc)
        target_compile_features(bench_store PRIVATE cxx_std_14)
        target_link_libraries(bench_store PRIVATE kith_inside kith_flags benchmark::benchmark
                              PkgConfig::LMDB PkgConfig::SQLITE)
    endif()
    if(KITH_TESTS) # that they run, not how fast
        add_test(NAME test_kernels_bench_runs COMMAND bench_kernels --benchmark_min_time=0.001
                 --benchmark_filter=/l2sq/.*/128/L2|peak|read/L1)
        kith_test_entry(test_kernels_bench_runs)
        add_test(NAME test_kv_order_bench_runs COMMAND bench_kv_order --benchmark_min_time=0.001
                 --benchmark_filter=/10000$)
        kith_test_entry(test_kv_order_bench_runs)
    endif()
endif()

# ---- a large GPU ------------------------------------------------------------------------------
# What gpu.sh runs: no library but those of libkith, so that it can be built on a bare machine.
if(KITH_OPENCL)
    add_executable(bench_gpu bench/bench_gpu.c bench/gpu_data.c bench/gpu_measure.c
                   bench/gpu_result.c bench/bench_gpu_stream.c)
    target_link_libraries(bench_gpu PRIVATE kith_inside kith_flags)
    set_target_properties(bench_gpu PROPERTIES OUTPUT_NAME kith-bench-gpu)
    if(NOT KITH_TESTS)
        set_target_properties(bench_gpu PROPERTIES EXCLUDE_FROM_ALL ON)
    endif()
endif()

# ---- peers ------------------------------------------------------------------------------------
# The loops of bench/peers/distances.py, as a module that Python loads.
if(KITH_BENCH AND NOT KITH_SANITIZE)
    add_library(peer_loops MODULE bench/peers/peer_loops.c)
    target_link_libraries(peer_loops PRIVATE kith_inside kith_flags)
    set_target_properties(peer_loops PROPERTIES C_VISIBILITY_PRESET hidden LINKER_LANGUAGE C)
    # That of graph.py, which calls the library as any program does.
    add_library(peer_graph MODULE bench/peers/peer_graph.c)
    target_link_libraries(peer_graph PRIVATE kith kith_flags)
    set_target_properties(peer_graph PROPERTIES C_VISIBILITY_PRESET hidden LINKER_LANGUAGE C)
endif()
