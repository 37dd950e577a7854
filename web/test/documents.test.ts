import { readFileSync } from "node:fs";
import { buildSchema, parse, validate } from "graphql";
import { describe, expect, it } from "vitest";
import { documents, lists, pointsDocument, skimOf, type ListName } from "../src/api/documents";

const schema = buildSchema(readFileSync(new URL("../../api/schema.graphql", import.meta.url), "utf8"));

const skims = Object.fromEntries(Object.keys(lists).map((list) => [`skim of ${list}`, skimOf(list as ListName)]));

describe("documents against the committed schema", () => {
  it.each(Object.entries({ ...documents, ...lists, ...skims, points: pointsDocument(8) }))("%s is valid", (_, text) => {
    expect(validate(schema, parse(text)).map((error) => error.message)).toEqual([]);
  });
});
