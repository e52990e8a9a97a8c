/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _RAMSTER_RAMSTER_H
#define _RAMSTER_RAMSTER_H

#define EXIT_USAGE 2
#define EXIT_UNREACHABLE 3 /* ramsterd */
#define EXIT_DENIED 4 /* it needs root, or the group */

#endif
