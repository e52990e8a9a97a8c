// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * set - changes settings of ramsterd, or shows them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/ramster/client.h"
#include "tools/ramster/json.h"
#include "tools/ramster/ramster.h"
#include "tools/ramster/set.h"

static void print_settings(const Ramster__SetReply *reply)
{
	for (size_t i = 0; i < reply->n_settings; i++) {
		const Ramster__Setting *setting = reply->settings[i];

		printf("%s = %s", setting->name, setting->value);
		if (*setting->file)
			printf("  # set at run time; %s in cluster.conf", setting->file);
		putchar('\n');
	}
}

static void print_changed(const Ramster__SetReply *reply)
{
	for (size_t i = 0; i < reply->n_notes; i++)
		printf("%s\n", reply->notes[i]);
	printf("set on this node, until its ramsterd is started anew or reloads cluster.conf\n");
}

static int show(const Ramster__SetReply *reply, bool changed, bool json)
{
	if (json)
		json_settings(stdout, reply);
	if (*reply->error) {
		fprintf(stderr, "ramster: %s; nothing was changed\n", reply->error);
		return EXIT_USAGE;
	}
	if (!json && changed)
		print_changed(reply);
	else if (!json)
		print_settings(reply);
	return EXIT_SUCCESS;
}

int set_run(const char *socket, char **assignments, size_t count, bool json)
{
	struct client_error error;
	int fd = client_connect(socket, &error), ret;
	Ramster__Message *message = fd >= 0 ? client_set(fd, assignments, count, &error) : NULL;

	ret = message ? show(message->set_reply, count, json) : error.status;
	if (!message)
		fprintf(stderr, "ramster: %s\n", error.text);
	client_free(message);
	if (fd >= 0)
		close(fd);
	return ret;
}
