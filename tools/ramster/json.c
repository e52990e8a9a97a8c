// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * json - a status as one JSON object on one line.
 *
 * Messages describe themselves, so one walk over the descriptors prints any of them. Instances are 64 bits, more than
 * a JSON number keeps in many readers: they are strings of 16 hexadecimal digits.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "tools/ramster/json.h"

static void write_message(FILE *out, const ProtobufCMessage *message);

static void write_string(FILE *out, const char *s)
{
	fputc('"', out);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if ((unsigned char)*s < 0x20)
			fprintf(out, "\\u%04x", *s);
		else
			fputc(*s, out);
	}
	fputc('"', out);
}

static void write_enum(FILE *out, const ProtobufCFieldDescriptor *field, int value)
{
	const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(field->descriptor, value);
	char name[32] = "unknown";

	if (known)
		snprintf(name, sizeof(name), "%s", known->name);
	for (char *c = name; *c; c++)
		*c |= *c >= 'A' && *c <= 'Z' ? 0x20 : 0;
	write_string(out, name);
}

/* @at: where the value is */
static void write_value(FILE *out, const ProtobufCFieldDescriptor *field, const void *at)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		write_string(out, *(char *const *)at);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		fputs(*(const protobuf_c_boolean *)at ? "true" : "false", out);
		break;
	case PROTOBUF_C_TYPE_UINT32:
		fprintf(out, "%" PRIu32, *(const uint32_t *)at);
		break;
	case PROTOBUF_C_TYPE_UINT64:
		fprintf(out, "%" PRIu64, *(const uint64_t *)at);
		break;
	case PROTOBUF_C_TYPE_FIXED64:
		fprintf(out, "\"%016" PRIx64 "\"", *(const uint64_t *)at);
		break;
	case PROTOBUF_C_TYPE_ENUM:
		write_enum(out, field, *(const int *)at);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		if (*(void *const *)at)
			write_message(out, *(ProtobufCMessage *const *)at);
		else
			fputs("null", out);
		break;
	default:
		fputs("null", out); /* a type that Status does not have */
	}
}

static void write_counters(FILE *out, const Ramster__Status *status)
{
	fputc('{', out);
	for (size_t i = 0; i < status->n_counters; i++) {
		fputs(i ? ", " : "", out);
		write_string(out, status->counters[i]->name);
		fprintf(out, ": %" PRIu64, status->counters[i]->value);
	}
	fputc('}', out);
}

/* All arrays of Status are of pointers: to strings or to messages. */
static void write_array(FILE *out, const ProtobufCFieldDescriptor *field, void *const *entries, size_t count)
{
	fputc('[', out);
	for (size_t i = 0; i < count; i++) {
		fputs(i ? ", " : "", out);
		write_value(out, field, &entries[i]);
	}
	fputc(']', out);
}

static void write_message(FILE *out, const ProtobufCMessage *message)
{
	const ProtobufCMessageDescriptor *type = message->descriptor;

	fputc('{', out);
	for (unsigned int i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];
		const char *at = (const char *)message + field->offset;

		fprintf(out, "%s\"%s\": ", i ? ", " : "", field->name);
		if (type == &ramster__status__descriptor && !strcmp(field->name, "counters"))
			write_counters(out, (const Ramster__Status *)message);
		else if (field->label == PROTOBUF_C_LABEL_REPEATED)
			write_array(out, field, *(void *const *const *)at,
				    *(const size_t *)((const char *)message + field->quantifier_offset));
		else
			write_value(out, field, at);
	}
	if (type == &ramster__status__descriptor)
		fprintf(out, ", \"health\": \"%s\"", ((const Ramster__Status *)message)->degraded ? "degraded" : "ok");
	fputc('}', out);
}

void json_status(FILE *out, const Ramster__Status *status)
{
	write_message(out, &status->base);
	fputc('\n', out);
}

void json_nodes(FILE *out, const Ramster__Status *status)
{
	fputs("{\"nodes\": [", out);
	for (size_t i = 0; i < status->n_nodes; i++) {
		fputs(i ? ", " : "", out);
		write_message(out, &status->nodes[i]->base);
	}
	fputs("]}\n", out);
}

void json_settings(FILE *out, const Ramster__SetReply *reply)
{
	write_message(out, &reply->base);
	fputc('\n', out);
}
