/* SPDX-License-Identifier: GPL-2.0 */
/*
 * trace.h - tracepoints on a page's way: store, remotify, send, receive, load.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ramster

#if !defined(_RAMSTER_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _RAMSTER_TRACE_H

#include <linux/tracepoint.h>

/* A page was stored (err 0) in length bytes (0: a page of one word), or refused. */
TRACE_EVENT(ramster_store,
	TP_PROTO(unsigned int pool, unsigned long index, unsigned int length, int err),
	TP_ARGS(pool, index, length, err),
	TP_STRUCT__entry(
		__field(unsigned int, pool)
		__field(unsigned long, index)
		__field(unsigned int, length)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->pool = pool;
		__entry->index = index;
		__entry->length = length;
		__entry->err = err;
	),
	TP_printk("pool=%u index=%lu length=%u err=%d", __entry->pool, __entry->index, __entry->length, __entry->err)
);

/* A load has ended. */
TRACE_EVENT(ramster_load,
	TP_PROTO(unsigned int pool, unsigned long index, int err),
	TP_ARGS(pool, index, err),
	TP_STRUCT__entry(
		__field(unsigned int, pool)
		__field(unsigned long, index)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->pool = pool;
		__entry->index = index;
		__entry->err = err;
	),
	TP_printk("pool=%u index=%lu err=%d", __entry->pool, __entry->index, __entry->err)
);

/* A batch of pages was handed to a peer's connection. */
TRACE_EVENT(ramster_remotify,
	TP_PROTO(unsigned int node, unsigned int pages, unsigned int bytes),
	TP_ARGS(node, pages, bytes),
	TP_STRUCT__entry(
		__field(unsigned int, node)
		__field(unsigned int, pages)
		__field(unsigned int, bytes)
	),
	TP_fast_assign(
		__entry->node = node;
		__entry->pages = pages;
		__entry->bytes = bytes;
	),
	TP_printk("node=%u pages=%u bytes=%u", __entry->node, __entry->pages, __entry->bytes)
);

/* A request is about to be sent. */
TRACE_EVENT(ramster_send,
	TP_PROTO(unsigned int node, unsigned int conn, unsigned int type, unsigned int items, size_t bytes),
	TP_ARGS(node, conn, type, items, bytes),
	TP_STRUCT__entry(
		__field(unsigned int, node)
		__field(unsigned int, conn)
		__field(unsigned int, type)
		__field(unsigned int, items)
		__field(size_t, bytes)
	),
	TP_fast_assign(
		__entry->node = node;
		__entry->conn = conn;
		__entry->type = type;
		__entry->items = items;
		__entry->bytes = bytes;
	),
	TP_printk("node=%u conn=%u type=%u items=%u bytes=%zu", __entry->node, __entry->conn, __entry->type,
		  __entry->items, __entry->bytes)
);

/* An answer has been received. */
TRACE_EVENT(ramster_receive,
	TP_PROTO(unsigned int node, unsigned int conn, unsigned int type, unsigned int items, size_t bytes, int err),
	TP_ARGS(node, conn, type, items, bytes, err),
	TP_STRUCT__entry(
		__field(unsigned int, node)
		__field(unsigned int, conn)
		__field(unsigned int, type)
		__field(unsigned int, items)
		__field(size_t, bytes)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->node = node;
		__entry->conn = conn;
		__entry->type = type;
		__entry->items = items;
		__entry->bytes = bytes;
		__entry->err = err;
	),
	TP_printk("node=%u conn=%u type=%u items=%u bytes=%zu err=%d", __entry->node, __entry->conn, __entry->type,
		  __entry->items, __entry->bytes, __entry->err)
);

#endif

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
