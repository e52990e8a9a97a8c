// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nl.c - one netlink socket and one message at a time.
 */
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nl.h"
#include "ramster_nl.h"

#define MESSAGE_LEN 8192

static int sock = -1;
static uint16_t family = GENL_ID_CTRL;
static uint32_t sequence;
static union {
	struct nlmsghdr hdr;
	uint8_t bytes[MESSAGE_LEN];
} message;

static void die(const char *what)
{
	perror(what);
	exit(3);
}

void nl_begin(unsigned int command)
{
	struct genlmsghdr *genl = NLMSG_DATA(&message.hdr);

	memset(&message, 0, sizeof(message));
	message.hdr.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	message.hdr.nlmsg_type = family;
	message.hdr.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	message.hdr.nlmsg_seq = ++sequence;
	genl->cmd = command;
	genl->version = 1;
}

void nl_put(unsigned int attribute, const void *data, size_t len)
{
	struct nlattr *attr = (void *)(message.bytes + message.hdr.nlmsg_len);

	if (message.hdr.nlmsg_len + NLA_HDRLEN + NLA_ALIGN(len) > sizeof(message)) {
		errno = EMSGSIZE;
		die("netlink");
	}
	attr->nla_type = attribute;
	attr->nla_len = NLA_HDRLEN + len;
	if (len)
		memcpy((uint8_t *)attr + NLA_HDRLEN, data, len);
	message.hdr.nlmsg_len += NLA_HDRLEN + NLA_ALIGN(len);
}

void nl_put_u32(unsigned int attribute, uint32_t value)
{
	nl_put(attribute, &value, sizeof(value));
}

void nl_put_u64(unsigned int attribute, uint64_t value)
{
	nl_put(attribute, &value, sizeof(value));
}

/* The attribute of that type among @len bytes, or NULL. */
static const struct nlattr *find(const void *attrs, size_t len, unsigned int type)
{
	const uint8_t *at = attrs, *end = at + len;

	while (end - at >= (ptrdiff_t)NLA_HDRLEN) {
		const struct nlattr *attr = (const void *)at;

		if (attr->nla_len < NLA_HDRLEN || attr->nla_len > end - at)
			return NULL;
		if ((attr->nla_type & NLA_TYPE_MASK) == type)
			return attr;
		at += NLA_ALIGN(attr->nla_len);
	}
	return NULL;
}

static void explanation(const struct nlmsghdr *hdr, char text[NL_TEXT_LEN])
{
	const struct nlmsgerr *error = NLMSG_DATA(hdr);
	size_t skip = sizeof(*error);
	const struct nlattr *attr;

	text[0] = 0;
	if (!(hdr->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(hdr->nlmsg_flags & NLM_F_CAPPED))
		skip += error->msg.nlmsg_len - NLMSG_HDRLEN;
	attr = find((const uint8_t *)error + skip, hdr->nlmsg_len - NLMSG_HDRLEN - skip, NLMSGERR_ATTR_MSG);
	if (attr)
		snprintf(text, NL_TEXT_LEN, "%.*s", (int)(attr->nla_len - NLA_HDRLEN), (const char *)attr + NLA_HDRLEN);
}

/* Waits for one message's end. A reply besides is left in @reply, if that is not NULL. */
static int transact(char text[NL_TEXT_LEN], void *reply, size_t reply_len)
{
	union {
		struct nlmsghdr hdr;
		uint8_t bytes[MESSAGE_LEN];
	} got;
	ssize_t len;

	if (send(sock, &message, message.hdr.nlmsg_len, 0) < 0)
		die("netlink: send");
	for (;;) {
		len = recv(sock, &got, sizeof(got), 0);
		if (len < (ssize_t)sizeof(got.hdr))
			die("netlink: recv");
		if (got.hdr.nlmsg_seq != sequence)
			continue;
		if (got.hdr.nlmsg_type == NLMSG_ERROR) {
			explanation(&got.hdr, text);
			return ((const struct nlmsgerr *)NLMSG_DATA(&got.hdr))->error;
		}
		if (reply)
			memcpy(reply, &got, (size_t)len < reply_len ? (size_t)len : reply_len);
	}
}

int nl_send(char text[NL_TEXT_LEN])
{
	return transact(text, NULL, 0);
}

/* Copies the messages of one datagram. Returns false after the last of the dump. */
static bool collect(const uint8_t *at, size_t len, uint8_t *answers, size_t size, size_t *filled)
{
	while (len >= NLMSG_HDRLEN) {
		const struct nlmsghdr *hdr = (const void *)at;
		size_t payload = hdr->nlmsg_len - NLMSG_HDRLEN, step = NLMSG_ALIGN(hdr->nlmsg_len);

		if (hdr->nlmsg_type == NLMSG_DONE)
			return false;
		if (hdr->nlmsg_type == NLMSG_ERROR || *filled + payload > size) {
			errno = EPROTO;
			die("netlink: dump");
		}
		memcpy(answers + *filled, NLMSG_DATA(hdr), payload);
		*filled += payload;
		at += step;
		len -= step < len ? step : len;
	}
	return true;
}

size_t nl_dump(unsigned int command, void *answers, size_t size)
{
	uint64_t got[4 * MESSAGE_LEN / sizeof(uint64_t)];
	size_t filled = 0;
	ssize_t len;

	nl_begin(command);
	message.hdr.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	if (send(sock, &message, message.hdr.nlmsg_len, 0) < 0)
		die("netlink: send");
	do {
		len = recv(sock, got, sizeof(got), 0);
		if (len < 0)
			die("netlink: recv");
	} while (collect((void *)got, len, answers, size, &filled));
	return filled;
}

void nl_open(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	char text[NL_TEXT_LEN], reply[MESSAGE_LEN];
	const struct nlmsghdr *hdr = (void *)reply;
	const struct nlattr *id;
	int one = 1;

	sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (sock < 0 || bind(sock, (void *)&address, sizeof(address)) ||
	    setsockopt(sock, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one)) ||
	    setsockopt(sock, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one)))
		die("netlink");
	nl_begin(CTRL_CMD_GETFAMILY);
	nl_put(CTRL_ATTR_FAMILY_NAME, RAMSTER_NL_NAME, sizeof(RAMSTER_NL_NAME));
	errno = -transact(text, reply, sizeof(reply));
	if (errno)
		die("netlink: " RAMSTER_NL_NAME);
	id = find(reply + NLMSG_LENGTH(GENL_HDRLEN), hdr->nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN), CTRL_ATTR_FAMILY_ID);
	if (!id) {
		errno = EPROTO;
		die("netlink: family");
	}
	memcpy(&family, (const uint8_t *)id + NLA_HDRLEN, sizeof(family));
}
