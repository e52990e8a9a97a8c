// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * reload - puts a configuration into force.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/configfs.h"
#include "daemon/donor.h"
#include "daemon/lend.h"
#include "daemon/log.h"
#include "daemon/peer.h"
#include "daemon/reload.h"
#include "daemon/settings.h"

struct conf *reload_load(const char *path, const char *name, const struct conf_node **self, char error[CONF_ERROR_LEN])
{
	struct conf *conf = malloc(sizeof(*conf));
	char host[CONF_NAME_LEN] = "";

	if (!conf) {
		snprintf(error, CONF_ERROR_LEN, "%s:0: %s", path, strerror(ENOMEM));
		return NULL;
	}
	if (conf_load(path, conf, error)) {
		free(conf);
		return NULL;
	}
	if (!name) {
		gethostname(host, sizeof(host) - 1);
		name = host;
	}
	*self = conf_node_by_name(conf, name);
	if (!*self) {
		host[strcspn(host, ".")] = 0;
		*self = conf_node_by_name(conf, host);
	}
	if (*self)
		return conf;
	snprintf(error, CONF_ERROR_LEN,
		 "%s:0: no node is named \"%s\" (expected one with this host's name, or --node NAME)", path, name);
	free(conf);
	return NULL;
}

static bool same_node(const struct conf_node *a, const struct conf_node *b)
{
	return a->number == b->number && !strcmp(a->name, b->name) && !strcmp(a->address, b->address) &&
	       a->port == b->port;
}

/* The lender there is the same one. */
static bool same_host(const struct conf_node *a, const struct conf_node *b)
{
	return a && b && !strcmp(a->name, b->name) && !strcmp(a->address, b->address);
}

/*
 * Whether pages of this node are with one that @conf does not have, or has elsewhere: nobody would keep its leases, or the
 * lender of another host would seem to be its new one, and they would be lost.
 */
static bool strands_pages(struct ramsterd *d, const struct conf *conf, const char *path)
{
	ramsterd_read_kernel(d);
	for (unsigned int i = 0; i < d->view.peers_len; i++) {
		const struct kernel_peer *p = &d->view.peers[i];
		const struct conf_node *node = conf_node_by_number(d->conf, p->node);

		if (p->state == RAMSTER_PEER_DEAD || !p->pages || !node ||
		    same_host(node, conf_node_by_number(conf, p->node)))
			continue;
		log_err("%s: %s goes, or is another one, but has %llu pages of this node; the configuration in force "
			"stays (ramster evict or swapoff first; if it is dead, they are given up after hold_time)",
			path, node->name, (unsigned long long)p->pages);
		return true;
	}
	return false;
}

static void remove_peer(struct ramsterd *d, unsigned int number)
{
	struct peer *peer = d->peers[number];

	if (donor_held(d->donor, number))
		log_warn("%s: has %llu MiB leased from this node; that ends when hold_time is over", peer->node.name,
			 (unsigned long long)donor_held(d->donor, number) >> 20);
	log_info("%s: no longer a node as it was", peer->node.name);
	d->peers[number] = NULL;
	peer_free(peer);
	donor_node_removed(d->donor, number);
}

void reload_peers(struct ramsterd *d)
{
	for (unsigned int i = 0; i < R2NET_MAX_NODES; i++) {
		const struct conf_node *node = conf_node_by_number(d->conf, i);

		if (node == d->self)
			node = NULL;
		if (d->peers[i] && (!node || !same_node(node, &d->peers[i]->node)))
			remove_peer(d, i);
		if (node && !d->peers[i])
			d->peers[i] = peer_new(d, node);
		if (node && !d->peers[i])
			log_err("%s: out of memory", node->name);
	}
}

static void warn_of_quotas(const struct ramsterd *d)
{
	char text[DONOR_TEXT_LEN];

	for (unsigned int i = 0; i < d->conf->nodes_len; i++)
		if (donor_over_quota(d->donor, &d->conf->nodes[i], text))
			log_warn("%s", text);
}

int reload_first(struct ramsterd *d, struct conf *conf)
{
	d->conf = conf;
	d->loaded = malloc(sizeof(*conf));
	if (!d->loaded)
		return -ENOMEM;
	*d->loaded = *conf;
	return 0;
}

int reload_set(struct ramsterd *d, char *const *assignments, size_t count, char error[CONF_ERROR_LEN])
{
	int ret = settings_assign(d->conf, d->self->number, assignments, count, error);

	if (ret || !count)
		return ret;
	for (size_t i = 0; i < count; i++)
		log_info("set until cluster.conf is read again: %s", assignments[i]);
	lend_renew(d);
	warn_of_quotas(d);
	ramsterd_tick_soon(d);
	return 0;
}

static bool any_retired(const struct authkeys *before, const struct authkeys *now)
{
	for (unsigned int i = 0; i < before->len; i++)
		if (!authkeys_find(now, before->keys[i].id))
			return true;
	return false;
}

/* Reads the keys anew that @conf names. Returns false, reported and with the old ones in force, if that fails. */
static bool read_keys(struct ramsterd *d, const struct conf *conf)
{
	char error[AUTHKEY_ERROR_LEN];
	struct authkeys before;
	struct peer *peer;
	bool retired;

	if (!d->auth)
		return true;
	before = d->auth->keys;
	if (authkeys_load(conf->authkey, &d->auth->keys, error)) {
		log_err("%s; the configuration and the keys in force stay, also those that are no longer in the file",
			error);
		authkeys_wipe(&before);
		return false;
	}
	retired = any_retired(&before, &d->auth->keys);
	authkeys_wipe(&before);
	log_info("%s: key %s%s%s%s", conf->authkey, d->auth->keys.keys[0].id,
		 d->auth->keys.len > 1 ? ", and still " : "", d->auth->keys.len > 1 ? d->auth->keys.keys[1].id : "",
		 retired ? "; what is no longer in the file is of no use any more" : "");
	for_each_peer(d, peer) peer_keys_changed(peer);
	if (retired)
		donor_key_retired(d->donor);
	return true;
}

/* The configuration that is to be put into force; NULL, reported, if the one in force has to stay. */
static struct conf *load_next(struct ramsterd *d, const char *path, const struct conf_node **self)
{
	char error[CONF_ERROR_LEN];
	struct conf *conf = reload_load(path, d->node_name, self, error);

	if (!conf) {
		log_err("%s; the configuration in force stays", error);
		return NULL;
	}
	if (strcmp(conf->cluster, d->conf->cluster) || strcmp(conf->membership, d->conf->membership) ||
	    conf_authenticates(conf) != conf_authenticates(d->conf) || !same_node(*self, d->self)) {
		log_err("%s: the cluster's name, its membership, authkey from or to off, or this node's name, number, "
			"address or port changed; the configuration in force stays (restart ramsterd for that)",
			path);
	} else if (!strands_pages(d, conf, path)) {
		return conf;
	}
	free(conf);
	return NULL;
}

void reload(struct ramsterd *d, const char *path)
{
	const struct conf_node *self;
	struct conf *conf = load_next(d, path, &self);
	struct peer *peer;

	/* Whatever keeps the nodes as they are: a key that was taken out is of no use from now on. */
	if (!read_keys(d, conf ? conf : d->conf) || !conf) {
		free(conf);
		return;
	}
	if (conf_keeps(self) != conf_keeps(d->self))
		log_info("keep_on_restart takes effect when ramster-lender is started again");
	free(d->conf);
	d->conf = conf;
	*d->loaded = *conf;
	d->self = self;
	reload_peers(d);
	if (d->view.instance) {
		configfs_fill(d->conf, d->self);
		d->refused_setting = configfs_set_parameters(d->conf);
		for_each_peer(d, peer) if (peer->link.lender_instance) link_set_deadlines(peer);
	}
	lend_renew(d);
	warn_of_quotas(d);
	ramsterd_tick_soon(d);
	log_info("%s: loaded, %u nodes", path, conf->nodes_len);
}
