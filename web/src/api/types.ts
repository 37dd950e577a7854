/** Shapes of `api/schema.graphql`, as far as the pages ask for them. A test checks every document against the schema. */

export type Role = "VIEWER" | "OPERATOR" | "SUPERVISOR" | "MAINTAINER" | "ENGINEER" | "DATA_SCIENTIST" | "ADMINISTRATOR";
export const ROLES: Role[] = ["VIEWER", "OPERATOR", "SUPERVISOR", "MAINTAINER", "ENGINEER", "DATA_SCIENTIST", "ADMINISTRATOR"];
export type Priority = "P1" | "P2" | "P3" | "P4";
export const PRIORITIES: Priority[] = ["P1", "P2", "P3", "P4"];
export type LimitKind = "HI_HI" | "HI" | "LO" | "LO_LO";
export type AlarmClass = "PROCESS" | "PREDICTIVE" | "INSTRUMENT";
export type AlarmState =
  | "NORMAL" | "UNACKNOWLEDGED" | "ACKNOWLEDGED" | "RETURNED_UNACKNOWLEDGED" | "LATCHED_UNACKNOWLEDGED"
  | "LATCHED_ACKNOWLEDGED" | "SHELVED" | "SUPPRESSED" | "OUT_OF_SERVICE";
export type AlarmCause = "HI_HI" | "HI" | "LO" | "LO_LO" | "DEADMAN" | "SCORE";
export type BootstrapState = "INACTIVE" | "ACTIVE";
export type EntityKind = "ORGANISATION" | "USER" | "THING" | "CHANNEL" | "DEVICE_TYPE" | "EDGE_DEVICE" | "ALARM_RULE" | "ALARM" | "MODEL";
export type Quality = "GOOD" | "UNCERTAIN" | "BAD";
export type ListOrder = "CREATED" | "CREATED_DESCENDING" | "NAME" | "NAME_DESCENDING";
export type Retention = "DAYS_7" | "DAYS_30" | "YEAR_1" | "YEARS_5" | "FOREVER";
export type RollupRetention = "AS_CONFIGURED" | "AS_SAMPLES" | "DAYS_30" | "YEAR_1" | "YEARS_5" | "FOREVER";
/** A 64-bit number: a JSON number up to 2^53, beyond it a string. */
export type Long = number | string;
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

export interface Tag { series: string; title: string; unit: string; low: number | null; high: number | null; decimals: number; expectedIntervalMs: Long | null }
export interface SeriesLimit { kind: LimitKind; limit: number; priority: Priority; rule: string }
export interface Sample { time: string; receivedAt: string; number: number | null; text: string | null; boolean: boolean | null; quality: Quality }
export interface Series {
  id: string; name: string; subtopic: string; unit: string; tag: Tag | null; limits: SeriesLimit[]; latest: Sample | null;
  channel: { id: string; name: string } | null; thing?: { id: string; name: string } | null;
}
export interface Points { t: number[]; v: (number | null)[]; q: number[]; samples: Long; thinned: boolean }

export interface Contribution { series: string; share: number; expected: number | null; actual: number | null }
export interface AlarmComment { by: string; at: string; text: string }
export interface Alarm {
  id: string; state: AlarmState; priority: Priority; class: AlarmClass; cause: AlarmCause; latching: boolean;
  thing: { id: string; name: string; metadata: Json } | null; seriesName: string;
  series: { id: string; tag: Tag | null; limits: SeriesLimit[] } | null; rule: { id: string; name: string } | null;
  occurrence: Long; message: string; consequence: string; action: string; timeToRespondMs: Long | null;
  value: number | null; limit: number | null; unit: string; quality: Quality;
  sourceTime: string; receivedAt: string; raisedAt: string; returnedAt: string | null; acknowledgedAt: string | null; acknowledgedBy: string | null;
  reAlarmCount: Long; shelvedUntil: string | null; shelvedReason: string | null; outOfServiceReason: string | null; suppressedBy: string | null;
  comments: AlarmComment[]; contributions: Contribution[]; revision: Long;
}
export interface JournalEntry {
  cursor: string; at: string; alarm: string; thing: { id: string; name: string } | null; kind: string; occurrence: Long; priority: Priority;
  message: string; value: number | null; limit: number | null; unit: string; who: string; text: string | null;
}
export interface AlarmChangeEvent { cursor: string; kind: "SNAPSHOT" | "CHANGE"; alarms: Alarm[] | null; change: JournalEntry | null; alarm: Alarm | null }
export interface AlarmCounts {
  priorities: { priority: Priority; active: Long; unacknowledged: Long }[];
  shelved: Long; suppressed: Long; outOfService: Long; predictive: Long;
}
export interface AlarmKpis {
  perTenMinutes: number; peakTenMinutes: number; floodShare: number; total: number; standing: number; chattering: number;
  buckets: { start: string; count: number }[];
  badActors: { thing: { id: string; name: string } | null; message: string; count: number; share: number }[];
}

export interface ThingRow {
  id: string; name: string; metadata: Json; revision: Long; updatedAt: string; lastSeen: string | null;
  deviceType: { id: string; name: string } | null; tags: Tag[]; channels: { id: string; name: string }[];
}
export interface OverviewThing {
  id: string; name: string; metadata: Json; lastSeen: string | null; tags: Tag[]; deviceType: { name: string } | null;
  worstAlarm: { id: string } | null; series: { nodes: Series[] }; models: { id: string }[];
}
export interface Channel { id: string; name: string; metadata: Json; retention: Retention; rollupRetention: RollupRetention; revision: Long; updatedAt: string; thingCount: Long; /** The first few. */ things: Named[] }
export interface Named { id: string; name: string }
export interface EdgeDevice {
  id: string; externalId: string; name: string; content: string; state: BootstrapState; revision: Long; thing: { id: string; name: string } | null;
  channels: { id: string; name: string }[]; bootstraps: Long; lastBootstrap: string | null; fetchedRevision: Long | null; upToDate: boolean;
  online: boolean; lastSeen: string | null;
}
export interface UnknownDevice { externalId: string; firstSeen: string; lastSeen: string; attempts: Long; address: string }
export interface DeviceType { id: string; name: string; description: string; tags: Tag[]; metadata: Json; revision: Long }

export interface AlarmLevel { kind: LimitKind; limit: number; priority: Priority }
export interface AlarmRule {
  id: string; revision: Long; name: string; enabled: boolean; thing: { id: string; name: string } | null; deviceType: { id: string; name: string } | null;
  channel: { id: string; name: string } | null; subtopic: string | null; seriesName: string; levels: AlarmLevel[];
  deadman: { periodMs: Long; priority: Priority } | null; deadband: number; onDelayMs: Long; offDelayMs: Long; class: AlarmClass;
  latching: boolean; acknowledgeRequired: boolean; message: string; consequence: string; action: string; timeToRespondMs: Long | null; updatedAt: string;
}

export interface ModelVersion {
  version: number; live: boolean; retired: boolean; artifact: string; format: string; scoreLimit: number; metrics: Json; trainedFrom: string;
  trainedTo: string; rows: Long; dataHash: string; seed: Long; parameters: Json; codeVersion: string; parent: number | null;
}
export interface Model {
  id: string; revision: Long; name: string; thing: { id: string; name: string } | null; signals: { channel: string; subtopic: string; series: string }[];
  samplePeriodMs: Long; window: number; scoreSeries: string; persistence: number; versions: ModelVersion[]; live: number | null; lastFailure: string | null;
  score: Series | null;
}

export interface User { id: string; email: string; role: Role; disabled: boolean; revision: Long }

export interface Change { path: string; before: Json | null; after: Json | null }
export interface HistoryEntry { entity: EntityKind; id: string; /** Where it is asked for. */ name?: string | null; revision: Long; at: string; who: string; type: string; note: string | null; changes: Change[] }
export interface TelemetryFrame { i: number[]; t: number[]; v: (number | null)[]; q: number[] }
