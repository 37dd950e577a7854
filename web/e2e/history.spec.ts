import { type APIRequestContext, expect, type Page, test } from "@playwright/test";
import { type Entity, freshMark, graphql, makeChannel, makePump, revisionsOf, signInPage, stateAt } from "./server";

/** One entity with two revisions of content: where its history stands, and what the newer one changed. */
interface Sample { entity: Entity; id: string; address: string; before: string; after: string; folded?: RegExp }

async function thing(request: APIRequestContext): Promise<Sample> {
  const pump = await makePump(request);
  await graphql(request, "mutation($input: UpdateThingInput!) { updateThing(input: $input) { revision } }", { id: pump.thing, expectedRevision: 1, metadata: { title: "Booster pump" }, note: "renamed after the overhaul" });
  return { entity: "THING", id: pump.thing, address: `/fleet?list=things&name=${pump.name}&open=${pump.thing}`, before: "Test pump", after: "Booster pump" };
}

async function channel(request: APIRequestContext): Promise<Sample> {
  const name = `kept-${freshMark()}`;
  const id = await makeChannel(request, name);
  await graphql(request, "mutation($input: UpdateChannelInput!) { updateChannel(input: $input) { revision } }", { id, expectedRevision: 1, name: `${name} longer`, retention: "YEARS_5" });
  return { entity: "CHANNEL", id, address: `/fleet?list=channels&name=${name}&open=${id}`, before: name, after: `${name} longer` };
}

async function bootstrapConfig(request: APIRequestContext): Promise<Sample> {
  const name = `Gateway ${freshMark()}`;
  const content = (poll: string) => JSON.stringify({ driver: "modbus", host: "10.0.0.7", unit: 1, port: 502, poll, spool: "64MiB", log: "info" });
  const made = await graphql<{ registerEdgeDevice: { edgeDevice: { id: string; revision: number } } }>(request, "mutation($input: RegisterEdgeDeviceInput!) { registerEdgeDevice(input: $input) { edgeDevice { id revision } } }", { externalId: name.toLowerCase().replace(" ", "-"), externalKey: `key of ${name}`, name, content: content("1s"), channels: [] });
  const { id, revision } = made.registerEdgeDevice.edgeDevice;
  await graphql(request, "mutation($input: UpdateEdgeDeviceInput!) { updateEdgeDevice(input: $input) { revision } }", { id, expectedRevision: revision, content: content("250ms") });
  return { entity: "EDGE_DEVICE", id, address: `/fleet?name=${encodeURIComponent(name)}&open=${id}`, before: '"poll": "1s",', after: '"poll": "250ms",', folded: /lines? unchanged/ };
}

async function alarmRule(request: APIRequestContext): Promise<Sample> {
  const pump = await makePump(request);
  await graphql(request, "mutation($input: UpdateAlarmRuleInput!) { updateAlarmRule(input: $input) { revision } }", { id: pump.rule, expectedRevision: 1, definition: { ...pump.definition, consequence: "Shaft damage" } });
  return { entity: "ALARM_RULE", id: pump.rule, address: `/rules/${pump.rule}?view=history`, before: "Bearing damage", after: "Shaft damage" };
}

const SAMPLES: [string, (request: APIRequestContext) => Promise<Sample>][] = [["a thing", thing], ["a channel", channel], ["a bootstrap config", bootstrapConfig], ["an alarm rule", alarmRule]];

async function compare(page: Page, from: number, to: number): Promise<void> {
  for (const [label, revision] of [["Compare from revision", from], ["Compare to revision", to]] as const) {
    await page.getByRole("button", { name: new RegExp(label) }).click();
    await page.getByRole("option", { name: `r${revision}`, exact: true }).click();
  }
}

for (const [name, make] of SAMPLES) {
  test(`${name}: two revisions are compared, and a roll-back writes a new one`, async ({ page }) => {
    await signInPage(page);
    const sample = await make(page.request);
    const known = (await revisionsOf(page.request, sample.entity, sample.id)).map(({ revision }) => revision);
    const newest = known.length;
    const wanted = newest - 1;
    expect(known).toEqual(Array.from({ length: newest }, (_, index) => index + 1));
    const [good, bad] = [await stateAt(page.request, sample.entity, sample.id, wanted), await stateAt(page.request, sample.entity, sample.id, newest)];
    expect(bad).not.toEqual(good);

    await page.goto(`/ui${sample.address}`);
    const main = page.getByRole("main");
    const removed = (text: string) => main.getByRole("row", { name: `− ${text}` });
    const added = (text: string) => main.getByRole("row", { name: `+ ${text}` });
    await expect(removed(sample.before)).toBeVisible();
    await expect(added(sample.after)).toBeVisible();
    if (sample.folded) await expect(main.getByText(sample.folded).first()).toBeVisible();
    // The other way round, by choice.
    await compare(page, newest, wanted);
    await expect(removed(sample.after)).toBeVisible();
    await expect(added(sample.before)).toBeVisible();
    await compare(page, wanted, newest);

    await main.getByRole("button", { name: `Roll back to r${wanted}` }).click();
    const dialog = page.getByRole("dialog", { name: `Roll back to r${wanted}` });
    await expect(dialog).toContainText(`A roll-back writes r${newest + 1} with the content of r${wanted}.`);
    await expect(dialog.getByRole("row", { name: `+ ${sample.before}` })).toBeVisible();
    expect(await revisionsOf(page.request, sample.entity, sample.id), "nothing is written before it is said").toHaveLength(newest);
    await dialog.getByRole("button", { name: `Write r${newest + 1}` }).click();
    await expect(main.getByRole("button", { name: new RegExp(`r${newest + 1}.*in force`) })).toBeVisible();
    await compare(page, wanted, newest + 1);
    await expect(main.getByText("No difference.")).toBeVisible();

    const history = await revisionsOf(page.request, sample.entity, sample.id);
    expect(history.map(({ revision }) => revision)).toEqual([...known, newest + 1]);
    expect(history[newest]?.note).toBe(`Rolled back to r${wanted}`);
    expect(await stateAt(page.request, sample.entity, sample.id, newest + 1)).toEqual(good);
    expect(await stateAt(page.request, sample.entity, sample.id, newest), "what was rolled back stays readable").toEqual(bad);
  });
}
