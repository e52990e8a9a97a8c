// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * options - of AddressSanitizer, for speed. A target frees little in one execution, all of which the quarantine holds;
 * who repeats a finding gets whole stacks by ASAN_OPTIONS=malloc_context_size=30.
 */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "quarantine_size_mb=8:malloc_context_size=2";
}
