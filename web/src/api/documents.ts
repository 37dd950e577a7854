/** Every GraphQL document of the dashboard. `test/documents.test.ts` validates them against the committed schema. */

const TAG = `tag { series title unit low high decimals expectedIntervalMs }`;
const LIMITS = `limits { kind limit priority rule }`;
const SERIES = `id name subtopic unit ${TAG} ${LIMITS} channel { id name } latest { time receivedAt number text boolean quality }`;
const ALARM = `id state priority class cause latching thing { id name metadata } seriesName series { id ${TAG} ${LIMITS} } rule { id name }
  occurrence message consequence action timeToRespondMs value limit unit quality sourceTime receivedAt raisedAt returnedAt acknowledgedAt acknowledgedBy
  reAlarmCount shelvedUntil shelvedReason outOfServiceReason suppressedBy comments { by at text } contributions { series share expected actual } revision`;
const JOURNAL = `cursor at alarm thing { id name } kind occurrence priority message value limit unit who text`;
const HISTORY = `entity id revision at who type note changes { path before after }`;
const PAGE = `pageInfo { hasNextPage endCursor } total`;
const THING = `id name metadata revision updatedAt lastSeen deviceType { id name } tags { series title unit low high decimals expectedIntervalMs } channels { id name }`;
const CHANNEL = `id name metadata retention rollupRetention revision updatedAt thingCount things(first: 5) { id name }`;
const EDGE = `id externalId name content state revision thing { id name } channels { id name } bootstraps lastBootstrap fetchedRevision upToDate online lastSeen`;
const RULE = `id revision name enabled thing { id name } deviceType { id name } channel { id name } subtopic seriesName levels { kind limit priority }
  deadman { periodMs priority } deadband onDelayMs offDelayMs class latching acknowledgeRequired message consequence action timeToRespondMs updatedAt`;
const VERSION = `version live retired artifact format scoreLimit metrics trainedFrom trainedTo rows dataHash seed parameters codeVersion parent`;
const MODEL = `id revision name thing { id name } signals { channel subtopic series } samplePeriodMs window scoreSeries persistence
  versions { ${VERSION} } live lastFailure score { ${SERIES} }`;
const USER = `id email role disabled revision`;

/** The arguments by which each list is narrowed. */
const NARROWED = {
  things: { name: "String", metadata: "JSON" }, channels: { name: "String", metadata: "JSON" }, edgeDevices: { name: "String" }, users: { email: "String" },
  alarmRules: { name: "String", thing: "ID" }, unknownDevices: {},
} as const;
export type ListName = keyof typeof NARROWED;

function pageOf(list: ListName, nodes: string): string {
  const given: Record<string, string> = { first: "Int!", after: "String", ...NARROWED[list], ...(list === "unknownDevices" ? {} : { order: "ListOrder!" }) };
  const typed = Object.entries(given).map(([name, type]) => `$${name}: ${type}`).join(", ");
  const passed = Object.keys(given).map((name) => `${name}: $${name}`).join(", ");
  return `query ${list.charAt(0).toUpperCase()}${list.slice(1)}(${typed}) { ${list}(${passed}) { ${nodes} } }`;
}

export const documents = {
  server: `query Server { server { version node time ml { state reason } } me { email role organisation { name } } }`,
  overview: `query Overview($after: String) { things(first: 20, after: $after) { nodes { id name metadata lastSeen
    tags { series title unit low high decimals expectedIntervalMs } deviceType { name } worstAlarm { id } models { id }
    series(first: 60) { nodes { ${SERIES} } } } ${PAGE} } }`,
  asset: `query Asset($id: ID!) { thing(id: $id) { ${THING} edgeDevice { ${EDGE} } models { ${MODEL} } series(first: 100) { nodes { ${SERIES} } } } }`,
  audit: `query Audit($from: DateTime, $first: Int!) { audit(first: $first, from: $from) { nodes { name ${HISTORY} } } }`,
  kpis: `query Kpis($from: DateTime!, $to: DateTime!) { alarmKpis(from: $from, to: $to) { perTenMinutes peakTenMinutes floodShare total standing chattering
    buckets { start count } badActors { thing { id name } message count share } } }`,
  journal: `query Journal($alarm: ID, $thing: ID, $from: DateTime, $first: Int!) { alarmJournal(alarm: $alarm, thing: $thing, from: $from, first: $first) { nodes { ${JOURNAL} } } }`,
  findThings: `query FindThings($name: String!) { things(first: 8, name: $name) { nodes { id name metadata } } }`,
  tagTitles: `query TagTitles($id: ID!) { thing(id: $id) { id tags { series title } } }`,
  thingRow: `query ThingRow($id: ID!) { thing(id: $id) { ${THING} } }`,
  channelRow: `query ChannelRow($id: ID!) { channel(id: $id) { ${CHANNEL} } }`,
  edgeDeviceRow: `query EdgeDeviceRow($id: ID!) { edgeDevice(id: $id) { ${EDGE} } }`,
  thingsOf: `query ThingsOf($id: ID!) { channel(id: $id) { id things { id name } } }`,
  fleetCounts: `query FleetCounts($device: String, $name: String, $metadata: JSON) { edgeDevices(first: 1, name: $device) { total } things(first: 1, name: $name, metadata: $metadata) { total } channels(first: 1, name: $name, metadata: $metadata) { total } }`,
  edgeDeviceStates: `query EdgeDeviceStates($name: String, $after: String) { edgeDevices(first: 1000, name: $name, after: $after) { nodes { id state bootstraps online lastSeen } ${PAGE} } }`,
  chooseThings: `query ChooseThings($name: String) { things(first: 30, name: $name, order: NAME) { nodes { id name metadata } total } }`,
  chooseChannels: `query ChooseChannels($name: String) { channels(first: 30, name: $name, order: NAME) { nodes { id name } total } }`,
  chooseDeviceTypes: `query ChooseDeviceTypes($name: String) { deviceTypes(first: 30, name: $name, order: NAME) { nodes { id name description } total } }`,
  rule: `query Rule($id: ID!) { alarmRule(id: $id) { ${RULE} } }`,
  models: `query Models { models(first: 50) { nodes { ${MODEL} } ${PAGE} } }`,
  seriesOf: `query SeriesOf($thing: ID, $match: String) { series(thing: $thing, match: $match, first: 100) { nodes { ${SERIES} } } }`,
  history: `query History($entity: EntityKind!, $id: ID!, $after: String) { history(entity: $entity, id: $id, first: 50, after: $after) { nodes { ${HISTORY} } pageInfo { hasNextPage endCursor } } }`,
  entityAt: `query EntityAt($entity: EntityKind!, $id: ID!, $revision: Long!) { entityAt(entity: $entity, id: $id, revision: $revision) { revision at state } }`,
  diff: `query Diff($entity: EntityKind!, $id: ID!, $from: Long!, $to: Long!) { diff(entity: $entity, id: $id, from: $from, to: $to) { path before after } }`,

  firstAlarms: `query FirstAlarms { alarms(first: 60, filter: { states: [UNACKNOWLEDGED, ACKNOWLEDGED, RETURNED_UNACKNOWLEDGED, LATCHED_UNACKNOWLEDGED, LATCHED_ACKNOWLEDGED] }) { nodes { ${ALARM} } }
    alarmCounts { priorities { priority active unacknowledged } shelved suppressed outOfService predictive } }`,
  acknowledge: `mutation Acknowledge($input: AcknowledgeAlarmsInput!) { acknowledgeAlarms(input: $input) { alarms { ${ALARM} } refused { id code message } } }`,
  shelve: `mutation Shelve($input: ShelveAlarmInput!) { shelveAlarm(input: $input) { alarm { ${ALARM} } } }`,
  unshelve: `mutation Unshelve($input: AlarmInput!) { unshelveAlarm(input: $input) { alarm { ${ALARM} } } }`,
  comment: `mutation Comment($input: CommentAlarmInput!) { commentAlarm(input: $input) { alarm { ${ALARM} } } }`,
  reset: `mutation Reset($input: AlarmInput!) { resetAlarm(input: $input) { alarm { ${ALARM} } } }`,
  takeOutOfService: `mutation TakeOutOfService($input: OutOfServiceInput!) { takeAlarmOutOfService(input: $input) { alarm { ${ALARM} } } }`,
  returnToService: `mutation ReturnToService($input: AlarmInput!) { returnAlarmToService(input: $input) { alarm { ${ALARM} } } }`,
  rollBack: `mutation RollBack($input: RollBackInput!) { rollBack(input: $input) { id revision } }`,
  createThing: `mutation CreateThing($input: CreateThingInput!) { createThing(input: $input) { thing { ${THING} } revision key } }`,
  updateThing: `mutation UpdateThing($input: UpdateThingInput!) { updateThing(input: $input) { thing { ${THING} } revision } }`,
  removeThing: `mutation RemoveThing($input: RemoveInput!) { removeThing(input: $input) { id revision } }`,
  changeThingKey: `mutation ChangeThingKey($input: RemoveInput!) { changeThingKey(input: $input) { key revision } }`,
  createChannel: `mutation CreateChannel($input: CreateChannelInput!) { createChannel(input: $input) { channel { ${CHANNEL} } revision } }`,
  updateChannel: `mutation UpdateChannel($input: UpdateChannelInput!) { updateChannel(input: $input) { channel { ${CHANNEL} } revision } }`,
  removeChannel: `mutation RemoveChannel($input: RemoveInput!) { removeChannel(input: $input) { id revision } }`,
  connect: `mutation Connect($input: ConnectInput!) { connect(input: $input) { channels { ${CHANNEL} } } }`,
  disconnect: `mutation Disconnect($input: ConnectInput!) { disconnect(input: $input) { channels { ${CHANNEL} } } }`,
  registerEdgeDevice: `mutation RegisterEdgeDevice($input: RegisterEdgeDeviceInput!) { registerEdgeDevice(input: $input) { edgeDevice { ${EDGE} } revision } }`,
  updateEdgeDevice: `mutation UpdateEdgeDevice($input: UpdateEdgeDeviceInput!) { updateEdgeDevice(input: $input) { edgeDevice { ${EDGE} } revision } }`,
  changeEdgeDeviceState: `mutation ChangeEdgeDeviceState($input: ChangeEdgeDeviceStateInput!) { changeEdgeDeviceState(input: $input) { edgeDevice { ${EDGE} } revision } }`,
  removeEdgeDevice: `mutation RemoveEdgeDevice($input: RemoveInput!) { removeEdgeDevice(input: $input) { id revision } }`,
  createRule: `mutation CreateRule($input: CreateAlarmRuleInput!) { createAlarmRule(input: $input) { alarmRule { ${RULE} } revision } }`,
  updateRule: `mutation UpdateRule($input: UpdateAlarmRuleInput!) { updateAlarmRule(input: $input) { alarmRule { ${RULE} } revision } }`,
  removeRule: `mutation RemoveRule($input: RemoveInput!) { removeAlarmRule(input: $input) { id revision } }`,
  createModel: `mutation CreateModel($input: CreateModelInput!) { createModel(input: $input) { model { ${MODEL} } revision } }`,
  trainModel: `mutation TrainModel($input: TrainModelInput!) { trainModel(input: $input) { model { ${MODEL} } revision } }`,
  promote: `mutation Promote($input: ModelVersionInput!) { promoteModelVersion(input: $input) { model { ${MODEL} } revision } }`,
  removeModel: `mutation RemoveModel($input: RemoveInput!) { removeModel(input: $input) { id revision } }`,
  retire: `mutation Retire($input: ModelVersionInput!) { retireModelVersion(input: $input) { model { ${MODEL} } revision } }`,
  createUser: `mutation CreateUser($input: CreateUserInput!) { createUser(input: $input) { user { ${USER} } revision } }`,
  changeUserRole: `mutation ChangeUserRole($input: ChangeUserRoleInput!) { changeUserRole(input: $input) { user { ${USER} } revision } }`,
  disableUser: `mutation DisableUser($input: RemoveInput!) { disableUser(input: $input) { user { ${USER} } revision } }`,
  enableUser: `mutation EnableUser($input: RemoveInput!) { enableUser(input: $input) { user { ${USER} } revision } }`,
  changePassword: `mutation ChangePassword($input: ChangePasswordInput!) { changePassword(input: $input) { id revision } }`,

  telemetry: `subscription Telemetry($series: [ID!]!, $maxHz: Float!) { telemetry(series: $series, maxHz: $maxHz) { i t v q } }`,
  alarmChanges: `subscription AlarmChanges($after: String) { alarmChanges(after: $after) { cursor kind alarms { ${ALARM} } change { ${JOURNAL} } alarm { ${ALARM} } } }`,
} as const;

/** Lists page by page. `test/documents.test.ts` validates these too. */
export const lists: Record<ListName, string> = {
  things: pageOf("things", `nodes { ${THING} } ${PAGE}`),
  channels: pageOf("channels", `nodes { ${CHANNEL} } ${PAGE}`),
  edgeDevices: pageOf("edgeDevices", `nodes { ${EDGE} } ${PAGE}`),
  users: pageOf("users", `nodes { ${USER} } ${PAGE}`),
  alarmRules: pageOf("alarmRules", `nodes { ${RULE} } ${PAGE}`),
  unknownDevices: pageOf("unknownDevices", `nodes { externalId firstSeen lastSeen attempts address } ${PAGE}`),
};

/** Passes over rows of a list without reading them: it answers where they end. */
export function skimOf(list: ListName): string {
  return pageOf(list, "pageInfo { endCursor } total");
}

/** Lines for several charts in one request; ids go in as variables, never as text. */
export function pointsDocument(count: number): string {
  const names = Array.from({ length: count }, (_, index) => `s${index}`);
  const variables = names.map((name) => `$${name}: ID!`).join(", ");
  const fields = names.map((name) => `${name}: seriesById(id: $${name}) { id points(from: $from, to: $to, maxPoints: $maxPoints) { t v q samples thinned } }`);
  return `query Points($from: DateTime!, $to: DateTime!, $maxPoints: Int!, ${variables}) { ${fields.join(" ")} }`;
}
