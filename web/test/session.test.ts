import { describe, expect, it } from "vitest";
import { may, readSession } from "../src/lib/session";

describe("the session", () => {
  it("reads the server's lower-case role and the name of its organisation", () => {
    const body = { email: "a@b.example", role: "data_scientist", organisation: { id: "o", name: "Karaton" }, platformAdministrator: false };
    expect(readSession(body)).toEqual({ email: "a@b.example", role: "DATA_SCIENTIST", organisation: "Karaton", platformAdministrator: false });
    expect(readSession({ ...body, organisation: "Karaton" }).organisation).toBe("Karaton");
  });
  it("offers what the role may do, and nothing to nobody", () => {
    expect(may("acknowledge", "OPERATOR")).toBe(true);
    expect(may("acknowledge", "VIEWER")).toBe(false);
    expect(may("shelveP1", "OPERATOR")).toBe(false);
    expect(may("configure", "ENGINEER")).toBe(true);
    expect(may("models", undefined)).toBe(false);
  });
});
