// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * set_reply - what `ramster set` is answered.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/conf_key.h"
#include "daemon/donor.h"
#include "daemon/reload.h"
#include "daemon/set_reply.h"
#include "daemon/settings.h"

#define SETTINGS_MAX (4 + 4 * R2NET_MAX_NODES)
#define NOTES_MAX (1 + R2NET_MAX_NODES)

struct set_reply {
	Ramster__SetReply message;
	char error[CONF_ERROR_LEN];
	struct {
		Ramster__Setting message;
		char name[SETTINGS_NAME_LEN], value[CONF_VALUE_LEN], file[CONF_VALUE_LEN];
	} settings[SETTINGS_MAX];
	Ramster__Setting *setting_pointers[SETTINGS_MAX];
	char notes[NOTES_MAX][DONOR_TEXT_LEN];
	char *note_pointers[NOTES_MAX];
};

static void add_setting(void *ctx, const char *name, const char *value, const char *loaded)
{
	struct set_reply *reply = ctx;
	size_t i = reply->message.n_settings;

	if (i == SETTINGS_MAX)
		return;
	ramster__setting__init(&reply->settings[i].message);
	snprintf(reply->settings[i].name, sizeof(reply->settings[i].name), "%s", name);
	snprintf(reply->settings[i].value, sizeof(reply->settings[i].value), "%s", value);
	snprintf(reply->settings[i].file, sizeof(reply->settings[i].file), "%s", loaded ? loaded : "");
	reply->settings[i].message.name = reply->settings[i].name;
	reply->settings[i].message.value = reply->settings[i].value;
	reply->settings[i].message.file = reply->settings[i].file;
	reply->setting_pointers[reply->message.n_settings++] = &reply->settings[i].message;
}

/* Makes the note that was written into the next place part of the message. */
static void add_note(struct set_reply *reply)
{
	reply->note_pointers[reply->message.n_notes] = reply->notes[reply->message.n_notes];
	reply->message.n_notes++;
}

static void note_what_stays(struct set_reply *reply, const struct ramsterd *d)
{
	const struct lender_status *status = sidedoor_status(d->door);
	uint64_t most = d->self->lend == CONF_LEND_SIZE ? d->self->lend_bytes : 0;

	for (unsigned int i = 0; i < d->conf->nodes_len; i++)
		if (donor_over_quota(d->donor, &d->conf->nodes[i], reply->notes[reply->message.n_notes]))
			add_note(reply);
	if (!status || d->self->lend == CONF_LEND_AUTO || status->lent <= most)
		return;
	snprintf(reply->notes[reply->message.n_notes], DONOR_TEXT_LEN,
		 "%" PRIu64 " MiB are lent, more than the %" PRIu64 " MiB of lend: nothing new until they are back",
		 (uint64_t)status->lent >> 20, most >> 20);
	add_note(reply);
}

static struct set_reply *new_reply(void)
{
	struct set_reply *reply = calloc(1, sizeof(*reply));

	if (!reply)
		return NULL;
	ramster__set_reply__init(&reply->message);
	reply->message.error = reply->error;
	reply->message.settings = reply->setting_pointers;
	reply->message.notes = reply->note_pointers;
	return reply;
}

struct set_reply *set_reply_make(struct ramsterd *d, const Ramster__SetRequest *request)
{
	struct set_reply *reply = new_reply();

	if (!reply)
		return NULL;
	if (!reload_set(d, request->assignments, request->n_assignments, reply->error))
		note_what_stays(reply, d);
	settings_each(d->conf, d->loaded, d->self->number, add_setting, reply);
	return reply;
}

const Ramster__SetReply *set_reply_message(const struct set_reply *reply)
{
	return &reply->message;
}

void set_reply_free(struct set_reply *reply)
{
	free(reply);
}
