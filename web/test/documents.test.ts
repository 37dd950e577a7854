import { readFileSync } from "node:fs";
import { buildSchema, parse, validate } from "graphql";
import { describe, expect, it } from "vitest";
import { documents, pointsDocument } from "../src/api/documents";

const schema = buildSchema(readFileSync(new URL("../../api/schema.graphql", import.meta.url), "utf8"));

describe("documents against the committed schema", () => {
  it.each(Object.entries({ ...documents, points: pointsDocument(8) }))("%s is valid", (_, text) => {
    expect(validate(schema, parse(text)).map((error) => error.message)).toEqual([]);
  });
});
