import { describe, expect, it } from "vitest";
import { keyName } from "../src/lib/keys";
import { matchPath, parseAddress, patchQuery } from "../src/lib/router";

describe("the address of a view", () => {
  it("is the path below the base and a query", () => {
    expect(parseAddress("/ui/alarms/", "?list=shelved")).toEqual({ path: "/alarms", query: "list=shelved" });
    expect(parseAddress("/ui/", "")).toEqual({ path: "/", query: "" });
  });
  it("changes one key, keeps the others, and is the same text for the same view", () => {
    expect(patchQuery("range=8h&alarm=7", { list: "shelved" })).toBe("alarm=7&list=shelved&range=8h");
    expect(patchQuery("list=shelved&range=8h", { list: null })).toBe("range=8h");
    expect(patchQuery("", { filter: "a b&c" })).toBe("filter=a+b%26c");
  });
  it("finds the parts of a pattern", () => {
    expect(matchPath("/assets/:id", "/assets/a%2Fb")).toEqual({ id: "a/b" });
    expect(matchPath("/assets/:id", "/assets/")).toBeNull();
    expect(matchPath("/assets/:id", "/assets/1/2")).toBeNull();
  });
});

describe("names of keys", () => {
  const press = (key: string, more = {}) => keyName({ key, ctrlKey: false, metaKey: false, shiftKey: false, altKey: false, ...more });
  it("reads as it is printed on the button", () => {
    expect(press("a")).toBe("A");
    expect(press("A", { shiftKey: true })).toBe("Shift A");
    expect(press("k", { metaKey: true })).toBe("Ctrl K");
    expect(press("?", { shiftKey: true })).toBe("?");
    expect(press("Escape")).toBe("Escape");
  });
});
