import type { Exchange } from "@urql/core";
import { type Cache, cacheExchange, type UpdateResolver } from "@urql/exchange-graphcache";
import { documents, lists as pages } from "./documents";

/**
 * Answers that are kept, normalised by id: configuration, which changes by mutations of this desk and rarely by others'.
 * They are shown at once and asked anew behind it. Samples, rates, journals, histories and diffs are never kept, and the
 * alarms of this desk are a book of their own (`alarms/book.ts`), because no change of theirs may be merged or lost.
 */
const KEPT = new Set<string>([
  pages.things, pages.channels, pages.edgeDevices, pages.alarmRules, documents.thingRow, documents.channelRow, documents.edgeDeviceRow, documents.rule, documents.models, documents.tagTitles,
]);

export function isKept(document: string): boolean {
  return KEPT.has(document);
}

/** Types without an identity of their own: they live inside what holds them. A test finds one that is missing here. */
export const EMBEDDED = [
  "AlarmComment", "AlarmLevel", "AlarmPayload", "AlarmRefusal", "AlarmRuleConnection", "AlarmRulePayload", "AlarmsPayload", "ChannelConnection", "ChannelPayload", "ConnectPayload",
  "Contribution", "Deadman", "DeviceTypeConnection", "EdgeDeviceConnection", "EdgeDevicePayload", "ModelConnection", "ModelPayload", "ModelSignal", "ModelVersion",
  "PageInfo", "RemovedPayload", "RevisionPayload", "Sample", "SeriesConnection", "SeriesLimit", "Tag", "ThingConnection", "ThingKeyPayload",
  "ThingPayload", "UserPayload",
];

type Id = { input: { id: string } };

/** A mutation that makes, takes away or moves things: every kept list of them is asked anew. */
const lists = (...fields: string[]): UpdateResolver => (_answer, _input, cache) => fields.forEach((field) => forget(cache, field));

function forget(cache: Cache, field: string): void {
  for (const { fieldName, arguments: given } of cache.inspectFields("Query")) if (fieldName === field) cache.invalidate("Query", fieldName, given);
}

/** Its entity changes on the server in a way that the answer does not tell. */
const entity = (typename: string): UpdateResolver => (_answer, input, cache) => cache.invalidate({ __typename: typename, id: (input as unknown as Id).input.id });

const ROLLED_BACK: Record<string, string> = { THING: "Thing", CHANNEL: "Channel", DEVICE_TYPE: "DeviceType", EDGE_DEVICE: "EdgeDevice", ALARM_RULE: "AlarmRule" };

export const keep: Exchange = cacheExchange({
  keys: Object.fromEntries(EMBEDDED.map((typename) => [typename, () => null])),
  updates: {
    Mutation: {
      createThing: lists("things", "channels"),
      removeThing: lists("things", "channels", "edgeDevices"),
      changeThingKey: entity("Thing"),
      createChannel: lists("channels"),
      removeChannel: lists("channels", "things", "edgeDevices"),
      connect: lists("things"),
      disconnect: lists("things"),
      registerEdgeDevice: lists("edgeDevices", "things", "channels"),
      changeEdgeDeviceState: lists("edgeDevices", "things", "channels"),
      removeEdgeDevice: lists("edgeDevices"),
      createAlarmRule: lists("alarmRules"),
      removeAlarmRule: lists("alarmRules"),
      createModel: lists("models"),
      removeModel: lists("models"),
      rollBack: (answer, input, cache, info) => {
        const typename = ROLLED_BACK[(input as { input: { entity: string } }).input.entity];
        if (typename) entity(typename)(answer, input, cache, info);
      },
    },
  },
});
