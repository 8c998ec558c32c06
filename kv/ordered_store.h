/* ordered_store.h - an ordered directory of a store, kept up to date by its writers.
 *
 * May include ordered.h and store.h.
 */
#ifndef KI_ORDERED_STORE_H
#define KI_ORDERED_STORE_H

#include "kv/ordered.h"
#include "kv/store.h"

/* Builds the directory of the rows that are present and becomes the store's watch: a commit then
 * makes room in it beforehand, and takes rows in and out with its other changes. Readers and
 * writers wait while it is built. The store has no other watch. ENOMEM.
 *
 * Cursors over it are moved with the readers' lock held (ki_store_read_lock), as of a snapshot's
 * LSN or of KI_NEWEST. Compacting a store in a file renumbers the rows and takes the watch away:
 * close the directory before, and open another after. */
kith_status ki_ordered_attach(ki_store *store, ki_ordered **out);

/* No longer the watch, and closed. Accepts NULL for the directory. */
void ki_ordered_detach(ki_store *store, ki_ordered *ordered);

#endif
