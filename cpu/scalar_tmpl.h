/* scalar_tmpl.h - a template: pair, gather, range and tile from the key of one row.
 *
 * Included once a kernel by scalar.c, which first defines KEY(x): KEY(key) is the function
 *   uint32_t key(const ki_query *, const ki_rows *, uint32_t id)
 * and the names made are KEY(pair), KEY(gather), KEY(range), KEY(tile), KEY(fill). KEY is undefined
 * again at the end. There are no groups here: a row at a time is what plain registers hold.
 */
static uint32_t KEY(pair)(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    return KEY(key)(query, rows, id);
}

static void KEY(gather)(const ki_query *query, const ki_rows *rows, const uint32_t *ids, size_t n,
                        uint32_t *keys)
{
    prefetch_rows(rows, ids, n);
    for (size_t i = 0; i < n; i++)
        keys[i] = KEY(pair)(query, rows, ids[i]);
}

static void KEY(range)(const ki_query *query, const ki_rows *rows, uint32_t first, size_t n,
                       uint32_t *keys)
{
    for (size_t i = 0; i < n; i++)
        keys[i] = KEY(pair)(query, rows, first + (uint32_t)i);
}

/* A row at a time, so that rows come from memory once. */
static void KEY(tile)(const ki_query *queries, size_t m, const void *packed, const ki_rows *rows,
                      uint32_t first, size_t n, uint32_t *keys, size_t stride)
{
    (void)packed;
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < m; i++)
            keys[i * stride + j] = KEY(pair)(&queries[i], rows, first + (uint32_t)j);
}

static void KEY(fill)(ki_kernel *kernel, ki_prepare_fn prepare, ki_key_form form)
{
    kernel->prepare = prepare;
    kernel->pair = KEY(pair);
    kernel->gather = KEY(gather);
    kernel->range = KEY(range);
    kernel->tile = KEY(tile);
    kernel->form = form;
    kernel->from[KI_PREPARE] = kernel->from[KI_PAIR] = KI_ISA_SCALAR;
    kernel->from[KI_GATHER] = kernel->from[KI_RANGE] = kernel->from[KI_TILE] = KI_ISA_SCALAR;
}

#undef KEY
