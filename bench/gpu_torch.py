"""The time of exact search by torch, for gpu.sh: matmul and topk in fp32 on the same card.

    python3 gpu_torch.py ROWS DIM QUERIES K

Prints "SECONDS NOTE", or a line that begins with "-" and says why there is no figure. The rows'
squared norms are computed beforehand, as an index would keep them; TF32 is off. Where the matrix of
distances does not fit, queries go in equal parts. The median of nine runs, after three.
"""

import statistics
import sys
import time

MATRIX_SHARE = 0.25  # of the free memory, for the matrix of distances


def measure(torch, rows, dim, queries, k):
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    torch.manual_seed(1)
    base = torch.randn(rows, dim, device="cuda")
    asked = torch.randn(queries, dim, device="cuda")
    norms = (base * base).sum(1)
    free = torch.cuda.mem_get_info()[0]
    part = max(1, min(queries, int(free * MATRIX_SHARE / (8 * rows))))

    def search():
        for at in range(0, queries, part):
            distances = torch.addmm(norms, asked[at : at + part], base.T, alpha=-2.0)
            torch.topk(distances, k, dim=1, largest=False)
        torch.cuda.synchronize()

    for _ in range(3):
        search()
    times = []
    for _ in range(9):
        begin = time.perf_counter()
        search()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def main():
    rows, dim, queries, k = (int(a) for a in sys.argv[1:5])
    try:
        import torch
    except ImportError:
        return print("- python3 has no torch")
    if not torch.cuda.is_available():
        return print(f"- torch {torch.__version__} sees no GPU")
    seconds = measure(torch, rows, dim, queries, k)
    print(f"{seconds:.9f} torch {torch.__version__} on {torch.cuda.get_device_name(0)}")


main()
