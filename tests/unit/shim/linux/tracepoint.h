/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tracepoints that are off. */
#ifndef _SHIM_TRACEPOINT_H
#define _SHIM_TRACEPOINT_H

#define TP_PROTO(...) __VA_ARGS__
#define TRACE_EVENT(name, proto, ...)                                                                                  \
	static inline void trace_##name(proto)                                                                         \
	{                                                                                                              \
	}

#endif
