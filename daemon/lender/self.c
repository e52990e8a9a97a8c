// SPDX-License-Identifier: GPL-2.0-or-later
/* self - see self.h. */
#include "daemon/lender/self.h"

struct self self;
struct counters counters;
