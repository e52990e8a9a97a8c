// SPDX-License-Identifier: GPL-2.0-or-later
/* genl - see genl.h and shim/net/genetlink.h. */
#include "tests/fuzz/genl.h"

#define FAMILY 0x20

static const struct genl_family *registered;
void (*genl_answered)(const struct sk_buff *skb, bool event);

int genl_register_family(struct genl_family *family)
{
	might_sleep();
	shim_assert(!registered);
	registered = family;
	return 0;
}

int genl_unregister_family(const struct genl_family *family)
{
	might_sleep();
	shim_assert(registered == family);
	registered = NULL;
	return 0;
}

/* ---- Messages ---- */

struct sk_buff *nlmsg_new(size_t payload, gfp_t gfp)
{
	size_t room = NLMSG_ALIGN(NLMSG_HDRLEN + payload);
	struct sk_buff *skb = kzalloc(sizeof(*skb), gfp);

	if (!skb)
		return NULL;
	skb->room = room;
	skb->data = kmalloc(room, gfp);
	if (skb->data)
		return skb;
	kfree(skb);
	return NULL;
}

void nlmsg_free(struct sk_buff *skb)
{
	kfree(skb->data);
	kfree(skb);
}

void *skb_put_aligned(struct sk_buff *skb, unsigned int len)
{
	u8 *at = skb->data + skb->len;

	len = NLMSG_ALIGN(len);
	if (len > skb->room - skb->len)
		return NULL;
	skb->len += len;
	return memset(at, 0, len);
}

void *genlmsg_put(struct sk_buff *skb, u32 portid, u32 seq, const struct genl_family *family, int flags, u8 cmd)
{
	struct nlmsghdr *nlh = skb_put_aligned(skb, NLMSG_HDRLEN + GENL_HDRLEN);
	struct genlmsghdr *hdr;

	if (!nlh)
		return NULL;
	*nlh = (struct nlmsghdr){ .nlmsg_type = FAMILY, .nlmsg_flags = flags, .nlmsg_seq = seq, .nlmsg_pid = portid };
	hdr = NLMSG_DATA(nlh);
	hdr->cmd = cmd;
	hdr->version = family->version;
	return (u8 *)hdr + GENL_HDRLEN;
}

void genlmsg_end(struct sk_buff *skb, void *hdr)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)((u8 *)hdr - GENL_HDRLEN - NLMSG_HDRLEN);

	nlh->nlmsg_len = skb->data + skb->len - (u8 *)nlh;
}

void genlmsg_cancel(struct sk_buff *skb, void *hdr)
{
	u8 *nlh = (u8 *)hdr - GENL_HDRLEN - NLMSG_HDRLEN;

	shim_assert(nlh >= skb->data && nlh < skb->data + skb->len);
	skb->len = nlh - skb->data;
}

int nla_put(struct sk_buff *skb, int type, int len, const void *bytes)
{
	struct nlattr *nla = skb_put_aligned(skb, NLA_HDRLEN + len);

	if (!nla)
		return -EMSGSIZE;
	nla->nla_type = type;
	nla->nla_len = NLA_HDRLEN + len;
	if (len)
		memcpy(nla_data(nla), bytes, len);
	return 0;
}

bool genl_has_listeners(const struct genl_family *family, const struct net *net, unsigned int group)
{
	shim_assert(group < family->n_mcgrps);
	return true;
}

int genlmsg_multicast(const struct genl_family *family, struct sk_buff *skb, u32 portid, unsigned int group, gfp_t gfp)
{
	shim_assert(group < family->n_mcgrps);
	genl_answered(skb, true);
	nlmsg_free(skb);
	return 0;
}

int genlmsg_reply(struct sk_buff *skb, struct genl_info *info)
{
	might_sleep();
	shim_assert(info->snd_portid == GENL_PORT);
	genl_answered(skb, false);
	nlmsg_free(skb);
	return 0;
}

/* ---- What lib/nlattr.c validates ---- */

static int fail(struct netlink_ext_ack *extack, const struct nlattr *nla, int err, const char *text)
{
	NL_SET_ERR_MSG_ATTR(extack, nla, text);
	return err;
}

static int validate(const struct nlattr *nla, const struct nla_policy *policy, struct netlink_ext_ack *extack)
{
	static const int sizes[] = { [NLA_U32] = 4, [NLA_U64] = 8, [NLA_BINARY] = 0 };
	const struct nla_policy *p = &policy[nla->nla_type & NLA_TYPE_MASK];
	s64 value;

	if (p->type == NLA_UNSPEC)
		return fail(extack, nla, -EINVAL, "Unsupported attribute");
	if (sizes[p->type] && nla_len(nla) != sizes[p->type])
		return fail(extack, nla, -EINVAL, "invalid attribute length");
	if (nla->nla_type & NLA_F_NESTED)
		return fail(extack, nla, -EINVAL, "NLA_F_NESTED not expected");
	if (p->type == NLA_BINARY && p->len && nla_len(nla) > p->len)
		return fail(extack, nla, -ERANGE, "Attribute failed policy validation");
	if (p->validation_type == NLA_VALIDATE_NONE)
		return 0;
	shim_assert(p->type == NLA_U32);
	value = nla_get_u32(nla);
	if ((p->validation_type != NLA_VALIDATE_MAX && value < p->min) ||
	    (p->validation_type != NLA_VALIDATE_MIN && value > p->max))
		return fail(extack, nla, -ERANGE, "integer out of range");
	return 0;
}

static int parse(const u8 *bytes, size_t len, struct nlattr **attrs, struct netlink_ext_ack *extack)
{
	struct nlattr *nla;
	unsigned int type;
	size_t whole;
	int err;

	for (; len >= NLA_HDRLEN; bytes += whole, len -= whole) {
		nla = (struct nlattr *)bytes;
		if (nla->nla_len < NLA_HDRLEN || nla->nla_len > len)
			break;
		whole = min((size_t)NLA_ALIGN(nla->nla_len), len);
		type = nla->nla_type & NLA_TYPE_MASK;
		if (!type || type > registered->maxattr)
			return fail(extack, nla, -EINVAL, "Unknown attribute type");
		err = validate(nla, registered->policy, extack);
		if (err)
			return err;
		attrs[type] = nla;
	}
	return len ? fail(extack, NULL, -EINVAL, "bytes leftover after parsing attributes") : 0;
}

/* ---- Who sends ---- */

/* As it is in the kernel: memory of just its length. */
static struct sk_buff *request_new(const void *bytes, size_t len)
{
	struct sk_buff *skb = calloc(1, sizeof(*skb));

	shim_assert(skb);
	skb->data = malloc(len);
	shim_assert(skb->data);
	memcpy(skb->data, bytes, len);
	skb->len = len;
	skb->parms.portid = GENL_PORT;
	return skb;
}

static void request_free(struct sk_buff *skb)
{
	free(skb->data);
	free(skb);
}

/* Returns 1 if it began a dump, which has the request then. */
static int dispatch(struct sk_buff *skb, struct netlink_ext_ack *extack, struct genl_dump *dump)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)skb->data;
	struct genlmsghdr *hdr = NLMSG_DATA(nlh);
	struct nlattr *attrs[256] = { NULL };
	const struct genl_small_ops *op = registered->small_ops;
	struct genl_info info = { nlh->nlmsg_seq, GENL_PORT, nlh, attrs, extack };
	int err;

	if (nlh->nlmsg_len < NLMSG_HDRLEN + GENL_HDRLEN)
		return fail(extack, NULL, -EINVAL, "no message of a family");
	while (op < registered->small_ops + registered->n_small_ops && op->cmd != hdr->cmd)
		op++;
	if (op == registered->small_ops + registered->n_small_ops)
		return fail(extack, NULL, -EOPNOTSUPP, "no such command");
	shim_assert(op->flags & GENL_ADMIN_PERM && registered->maxattr < ARRAY_SIZE(attrs));
	if ((nlh->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP ? !op->dumpit : !op->doit)
		return fail(extack, NULL, -EOPNOTSUPP, "not so");
	err = parse(skb->data + NLMSG_HDRLEN + GENL_HDRLEN, nlh->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN, attrs, extack);
	if (err)
		return err;
	if ((nlh->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		return op->doit(skb, &info);
	shim_assert(!dump->op);
	*dump = (struct genl_dump){ .op = op, .request = skb, .cb = { .skb = skb, .nlh = nlh } };
	return 1;
}

int genl_receive(const void *bytes, size_t len, struct netlink_ext_ack *extack, struct genl_dump *dump)
{
	const struct nlmsghdr *nlh = bytes;
	struct sk_buff *skb;
	int err;

	/* What netlink_rcv_skb() lets through to families. */
	if (len < NLMSG_HDRLEN || nlh->nlmsg_len < NLMSG_HDRLEN || nlh->nlmsg_len > len)
		return fail(extack, NULL, -EINVAL, "no message");
	skb = request_new(bytes, len);
	err = dispatch(skb, extack, dump);
	if (err > 0)
		return 0;
	request_free(skb);
	return err;
}

struct sk_buff *genl_dump_next(struct genl_dump *dump, size_t room)
{
	struct sk_buff *skb = nlmsg_new(room - NLMSG_HDRLEN, GFP_KERNEL);
	int ret = skb ? dump->op->dumpit(skb, &dump->cb) : -ENOBUFS;

	shim_assert(!skb || ret == (int)skb->len);
	if (ret <= 0)
		genl_dump_end(dump);
	return skb;
}

void genl_dump_end(struct genl_dump *dump)
{
	if (dump->op)
		request_free(dump->request);
	dump->op = NULL;
}
