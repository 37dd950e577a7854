import { describe, expect, it } from "vitest";
import { markFor } from "../src/parts/NumberField";
import { formatAge, formatNumber, formatSpan, formatStamp, invisibleTail, timeTicks, zoneOffset, writeUnit } from "../src/lib/format";

const NOW = Date.UTC(2026, 10, 24, 9, 32, 8);
const AQTAU = "Asia/Aqtau";

describe("numbers", () => {
  it("groups by thin space from 1 000 and keeps the decimals of the tag", () => {
    expect(formatNumber(18432.5, 1, "en")).toBe("18\u2009432.5");
    expect(formatNumber(999.9, 1, "en")).toBe("999.9");
    expect(formatNumber(1234567, 0, "en")).toBe("1\u2009234\u2009567");
  });
  it("writes a decimal comma in Russian and Kazakh", () => {
    expect(formatNumber(18432.5, 1, "ru")).toBe("18\u2009432,5");
    expect(formatNumber(0.4, 1, "kk")).toBe("0,4");
  });
  it("has a real minus, but none before a rounded zero", () => {
    expect(formatNumber(-31.4, 1, "en")).toBe("\u221231.4");
    expect(formatNumber(-0.04, 1, "en")).toBe("0.0");
  });
  it("shows no data as a dash and nought as a number", () => {
    expect(formatNumber(null, 1, "en")).toBe("\u2013");
    expect(formatNumber(Number.NaN, 1, "en")).toBe("\u2013");
    expect(formatNumber(0, 1, "en")).toBe("0.0");
  });
  it("uses an exponent only from ten million", () => {
    expect(formatNumber(9_999_999, 0, "en")).toBe("9\u2009999\u2009999");
    expect(formatNumber(12_340_000, 0, "en")).toBe("1.234\u2009×\u200910^7");
  });
  it("fills a column with invisible zeros up to its decimals", () => {
    expect(invisibleTail(0, 2, "en")).toBe(".00");
    expect(invisibleTail(1, 2, "ru")).toBe("0");
    expect(invisibleTail(2, 2, "en")).toBe("");
  });
});

describe("ages", () => {
  it.each([
    [400, "0.4 s"], [9_949, "9.9 s"], [9_951, "9 s"], [59_000, "59 s"], [289_000, "4 min 49 s"], [300_000, "5 min"], [1_980_000, "33 min"],
    [16_260_000, "4 h 31 min"], [7_200_000, "2 h"], [111_600_000, "1 d 7 h"], [-50, "0.0 s"],
  ])("writes %i ms as %s, two parts at most", (ms, text) => expect(formatAge(ms, "en")).toBe(text));
  it("translates its own units", () => {
    expect(formatAge(16_260_000, "ru")).toBe("4 ч 31 мин");
    expect(formatAge(16_260_000, "kk")).toBe("4 сағ 31 мин");
  });
  it("writes a configured span exactly", () => {
    expect(formatSpan(250, "en")).toBe("250 ms");
    expect(formatSpan(1500, "ru")).toBe("1,5 с");
    expect(formatSpan(120_000, "en")).toBe("2 min");
  });
});

describe("stamps", () => {
  it("drops what the reader knows: today, this year", () => {
    expect(formatStamp(NOW, NOW, AQTAU, "en")).toBe("14:32:08");
    expect(formatStamp(NOW - 86_400_000, NOW, AQTAU, "en")).toBe("23 Nov 14:32");
    expect(formatStamp(Date.UTC(2025, 10, 24, 9), NOW, AQTAU, "en")).toBe("24 Nov 2025");
  });
  it("takes the day of the zone and not of UTC", () => {
    const late = Date.UTC(2026, 10, 24, 20, 0, 0);
    expect(formatStamp(late, late + 3_600_000, AQTAU, "en")).toBe("01:00:00");
  });
  it("names months in the language", () => {
    expect(formatStamp(NOW - 86_400_000, NOW, AQTAU, "ru")).toBe("23 ноя 14:32");
    expect(formatStamp(NOW - 86_400_000, NOW, AQTAU, "kk")).toBe("23 қар 14:32");
  });
  it("writes the offset of a zone", () => {
    expect(zoneOffset(NOW, AQTAU)).toBe("UTC+5");
    expect(zoneOffset(NOW, "UTC")).toBe("UTC");
    expect(zoneOffset(NOW, "Asia/Kolkata")).toBe("UTC+5:30");
    expect(zoneOffset(NOW, "America/St_Johns")).toBe("UTC\u22123:30");
  });
});

describe("time axis", () => {
  it("stands on round local times and keeps to its count", () => {
    const ticks = timeTicks(NOW - 3_600_000, NOW, 6, AQTAU, "en");
    expect(ticks.map((tick) => tick.label)).toEqual(["13:40", "13:50", "14:00", "14:10", "14:20", "14:30"]);
  });
  it("names days over a week", () => {
    const ticks = timeTicks(NOW - 7 * 86_400_000, NOW, 8, "UTC", "en");
    expect(ticks[0]!.label).toBe("18 Nov");
    expect(ticks.length).toBe(7);
  });
});

it("units of SenML are written as people write them, others as they are", () => {
  expect(writeUnit("Cel")).toBe("°C");
  expect(writeUnit("m3/h")).toBe("m³/h");
  expect(writeUnit("/")).toBe("");
  expect(writeUnit("mm/s")).toBe("mm/s");
});

describe("a decimal mark that is typed", () => {
  it("is the mark of the language, whichever of the two it was", () => {
    expect([markFor(".", ","), markFor(",", ","), markFor(",", "."), markFor(".", ".")]).toEqual([",", null, ".", null]);
    expect([markFor("4", ","), markFor(null, ","), markFor("1,5", ".")]).toEqual([null, null, null]);
  });
});
