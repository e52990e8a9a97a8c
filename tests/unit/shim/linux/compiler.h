/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What it has is in shim.h. */
