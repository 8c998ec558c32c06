/* devices_hold.h - `kith devices --hold STORE`: what each device holds when a store is laid out.
 *
 * May include cli/ headers.
 */
#ifndef DEVICES_HOLD_H
#define DEVICES_HOLD_H

#include "cli/store_layout.h"

/* Places the copies, prints them and gives the devices back. Returns a tool_exit. */
int devices_hold(const char *store, const struct layout_wish *wish, bool json);

#endif
