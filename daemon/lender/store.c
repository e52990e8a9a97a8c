// SPDX-License-Identifier: GPL-2.0-or-later
/* store - see store.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "daemon/lender/store.h"

static const char *const names[STORE_NAMES] = { "lease-table", "lent-memory" };

static int find(const char *name)
{
	int i = STORE_NAMES;

	while (i-- && strcmp(name, names[i]))
		;
	return i;
}

const char *store_take(int fds[STORE_NAMES])
{
	const char *wrong = NULL;
	char **found = NULL;
	int count, i, which;

	for (i = 0; i < STORE_NAMES; i++)
		fds[i] = -1;
	count = sd_listen_fds_with_names(1, &found);
	if (count < 0)
		return "the service manager's LISTEN_FDS cannot be understood";
	for (i = 0; i < count; i++) {
		which = find(found[i]);
		free(found[i]);
		if (which >= 0 && fds[which] < 0) {
			fds[which] = SD_LISTEN_FDS_START + i;
			continue;
		}
		wrong = "the service manager has other descriptors than the lender left there";
		close(SD_LISTEN_FDS_START + i);
	}
	free(found);
	if (!wrong && count && count != STORE_NAMES)
		wrong = "the service manager has only a part of it";
	return wrong;
}

const char *store_put(const int fds[STORE_NAMES])
{
	char message[64];
	int i, ret;

	for (i = 0; i < STORE_NAMES; i++) {
		snprintf(message, sizeof(message), "FDSTORE=1\nFDNAME=%s", names[i]);
		ret = sd_pid_notify_with_fds(0, 0, message, &fds[i], 1);
		if (!ret)
			return "no service manager is there that keeps descriptors (NOTIFY_SOCKET is not set)";
		if (ret < 0)
			return strerror(-ret);
	}
	return NULL;
}

void store_drop(void)
{
	char message[64];
	int i;

	for (i = 0; i < STORE_NAMES; i++) {
		snprintf(message, sizeof(message), "FDSTOREREMOVE=1\nFDNAME=%s", names[i]);
		sd_notify(0, message);
	}
}
