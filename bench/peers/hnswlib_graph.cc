// hnswlib_graph.cc - hnswlib as graph.py asks it, in the shape of peer_graph.c.
//
// Compiled for the machine against the package's own headers; knows nothing of Kith. A query costs
// no call from Python.
#include <chrono>
#include <cstdint>
#include <exception>
#include <hnswlib.h>
#include <memory>

namespace
{

using clock_type = std::chrono::steady_clock;

double seconds_since(clock_type::time_point begin)
{
    return std::chrono::duration<double>(clock_type::now() - begin).count();
}

struct graph {
    std::unique_ptr<hnswlib::SpaceInterface<float>> space;
    std::unique_ptr<hnswlib::HierarchicalNSW<float>> index;
};

} // namespace

extern "C" {

// inner: 1 for the inner product of unit vectors, 0 for squared distances. NULL out of memory.
graph *hnswlib_build(const float *vectors, uint32_t rows, uint32_t dim, int inner, uint32_t m,
                     uint32_t ef_construction, double *seconds)
{
    try {
        auto made = std::make_unique<graph>();
        if (inner)
            made->space = std::make_unique<hnswlib::InnerProductSpace>(dim);
        else
            made->space = std::make_unique<hnswlib::L2Space>(dim);
        auto begin = clock_type::now();
        made->index = std::make_unique<hnswlib::HierarchicalNSW<float>>(made->space.get(), rows, m,
                                                                        ef_construction, 1);
        for (uint32_t i = 0; i < rows; i++)
            made->index->addPoint(vectors + std::size_t{i} * dim, i);
        *seconds = seconds_since(begin);
        return made.release();
    } catch (const std::exception &) {
        return nullptr;
    }
}

void hnswlib_close(graph *g)
{
    delete g;
}

// Seconds of the pass; below 0 on failure. ids holds k a query, nearest first.
double hnswlib_search(graph *g, const float *queries, uint32_t count, uint32_t dim, uint32_t k,
                      uint32_t ef, uint32_t *ids, double *latency_us)
{
    try {
        g->index->setEf(ef);
        auto pass = clock_type::now();
        for (uint32_t i = 0; i < count; i++) {
            auto begin = clock_type::now();
            auto found = g->index->searchKnn(queries + std::size_t{i} * dim, k);
            latency_us[i] = 1e6 * seconds_since(begin);
            for (std::size_t at = found.size(); at-- > 0; found.pop())
                ids[std::size_t{i} * k + at] = static_cast<uint32_t>(found.top().second);
        }
        return seconds_since(pass);
    } catch (const std::exception &) {
        return -1;
    }
}
}
