// hnswlib_kernels.cc - C names for the distance functions of hnswlib, for distances.py.
//
// Includes the installed package's own headers and nothing of Kith. The functions are what
// hnswlib itself chooses at run time for the dimension.
#include <hnswlib.h>

extern "C" {

typedef float (*peer_distance)(const void *, const void *, const void *);

peer_distance hnswlib_l2(std::size_t dim)
{
    static hnswlib::L2Space *space;
    delete space;
    space = new hnswlib::L2Space(dim);
    return space->get_dist_func();
}

peer_distance hnswlib_ip(std::size_t dim)
{
    static hnswlib::InnerProductSpace *space;
    delete space;
    space = new hnswlib::InnerProductSpace(dim);
    return space->get_dist_func();
}
}
