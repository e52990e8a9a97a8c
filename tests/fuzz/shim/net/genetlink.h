/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Generic netlink as families have it, in userspace: over the kernel's own layout (uapi), with the checks that lib/nlattr.c
 * makes where validation is strict. genl.h has the other side, who sends messages and reads answers.
 */
#ifndef _SHIM_GENETLINK_H
#define _SHIM_GENETLINK_H

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/slab.h>

#define CONFIG_FRONTSWAP 1
#ifndef IS_ENABLED
#define IS_ENABLED(option) (option)
#endif
#define THIS_MODULE NULL
#define __ro_after_init

#define GENLMSG_DEFAULT_SIZE (3712 - GENL_HDRLEN) /* NLMSG_GOODSIZE of a page and 64-bit pointers, less the header */

enum { NLA_UNSPEC, NLA_U32, NLA_U64, NLA_BINARY };
enum nla_policy_validation { NLA_VALIDATE_NONE, NLA_VALIDATE_RANGE, NLA_VALIDATE_MIN, NLA_VALIDATE_MAX };

struct nla_policy {
	u8 type;
	u8 validation_type;
	u16 len;
	short min, max;
};

#define NLA_POLICY_RANGE(t, low, high)                                                                                 \
	{                                                                                                              \
		.type = (t), .validation_type = NLA_VALIDATE_RANGE, .min = (low), .max = (high)                        \
	}
#define NLA_POLICY_MIN(t, low)                                                                                         \
	{                                                                                                              \
		.type = (t), .validation_type = NLA_VALIDATE_MIN, .min = (low)                                         \
	}
#define NLA_POLICY_MAX(t, high)                                                                                        \
	{                                                                                                              \
		.type = (t), .validation_type = NLA_VALIDATE_MAX, .max = (high)                                        \
	}

struct netlink_skb_parms {
	u32 portid;
};

struct sk_buff {
	unsigned int len, room;
	struct netlink_skb_parms parms;
	u8 *data; /* of its own, so that AddressSanitizer sees its end */
};

#define NETLINK_CB(skb) ((skb)->parms)

struct netlink_ext_ack {
	const char *_msg;
	const struct nlattr *bad_attr;
};

struct genl_info {
	u32 snd_seq, snd_portid;
	struct nlmsghdr *nlhdr;
	struct nlattr **attrs;
	struct netlink_ext_ack *extack;
};

#define NL_SET_ERR_MSG_ATTR(ack, attr, text)                                                                           \
	do {                                                                                                           \
		(ack)->_msg = (text);                                                                                  \
		(ack)->bad_attr = (attr);                                                                              \
	} while (0)
#define GENL_SET_ERR_MSG(info, text) ((void)((info)->extack->_msg = (text)))

struct netlink_callback {
	struct sk_buff *skb; /* that asked */
	const struct nlmsghdr *nlh;
	long args[6];
};

struct genl_small_ops {
	int (*doit)(struct sk_buff *skb, struct genl_info *info);
	int (*dumpit)(struct sk_buff *skb, struct netlink_callback *cb);
	u8 cmd;
	u8 flags;
};

struct genl_multicast_group {
	char name[GENL_NAMSIZ];
};

struct genl_family {
	char name[GENL_NAMSIZ];
	unsigned int version, maxattr, n_small_ops, n_mcgrps;
	bool parallel_ops;
	const struct nla_policy *policy;
	const struct genl_small_ops *small_ops;
	const struct genl_multicast_group *mcgrps;
	void *module;
};

struct net;
#define init_net (*(struct net *)NULL)

int genl_register_family(struct genl_family *family);
int genl_unregister_family(const struct genl_family *family);
bool genl_has_listeners(const struct genl_family *family, const struct net *net, unsigned int group);
int genlmsg_multicast(const struct genl_family *family, struct sk_buff *skb, u32 portid, unsigned int group, gfp_t gfp);
int genlmsg_reply(struct sk_buff *skb, struct genl_info *info);

/* ---- Messages ---- */

struct sk_buff *nlmsg_new(size_t payload, gfp_t gfp);
void nlmsg_free(struct sk_buff *skb);

static inline struct sk_buff *genlmsg_new(size_t payload, gfp_t gfp)
{
	return nlmsg_new(GENL_HDRLEN + payload, gfp);
}

/* Room at the end, zeroed; NULL: there is not so much. */
void *skb_put_aligned(struct sk_buff *skb, unsigned int len);
void *genlmsg_put(struct sk_buff *skb, u32 portid, u32 seq, const struct genl_family *family, int flags, u8 cmd);
void genlmsg_end(struct sk_buff *skb, void *hdr);
void genlmsg_cancel(struct sk_buff *skb, void *hdr);

static inline void *genlmsg_put_reply(struct sk_buff *skb, struct genl_info *info, const struct genl_family *family,
				      int flags, u8 cmd)
{
	return genlmsg_put(skb, info->snd_portid, info->snd_seq, family, flags, cmd);
}

/* ---- Attributes ---- */

static inline void *nla_data(const struct nlattr *nla)
{
	return (char *)nla + NLA_HDRLEN;
}

static inline int nla_len(const struct nlattr *nla)
{
	return nla->nla_len - NLA_HDRLEN;
}

static inline u32 nla_get_u32(const struct nlattr *nla)
{
	return *(u32 *)nla_data(nla);
}

static inline u64 nla_get_u64(const struct nlattr *nla)
{
	u64 value;

	memcpy(&value, nla_data(nla), sizeof(value));
	return value;
}

int nla_put(struct sk_buff *skb, int type, int len, const void *bytes);

static inline int nla_put_u32(struct sk_buff *skb, int type, u32 value)
{
	return nla_put(skb, type, sizeof(value), &value);
}

/* Where unaligned words cost little, as here, nothing is put before it. */
static inline int nla_put_u64_64bit(struct sk_buff *skb, int type, u64 value, int pad)
{
	return nla_put(skb, type, sizeof(value), &value);
}

static inline int nla_put_string(struct sk_buff *skb, int type, const char *text)
{
	return nla_put(skb, type, strlen(text) + 1, text);
}

static inline struct nlattr *nla_nest_start(struct sk_buff *skb, int type)
{
	struct nlattr *nest = (struct nlattr *)(skb->data + skb->len);

	return nla_put(skb, type | NLA_F_NESTED, 0, NULL) ? NULL : nest;
}

static inline void nla_nest_end(struct sk_buff *skb, struct nlattr *nest)
{
	nest->nla_len = skb->data + skb->len - (u8 *)nest;
}

#endif
