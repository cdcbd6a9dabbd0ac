// Test-only: conversations and what a strict server makes of them. The codec's tests, the gateway's
// and the conformance programs of tests/conformance run the same list.
// Numbers are sections of the Autobahn test suite, whose cases these follow.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "websocket/testing_frames.h"

namespace tw::websocket {

constexpr uint8_t kText = 0x81, kBinary = 0x82, kClose = 0x88, kPing = 0x89, kPong = 0x8a;
// Fragments: the first without FIN, then continuations without, then one with.
constexpr uint8_t kTextStart = 0x01, kBinaryStart = 0x02, kMiddle = 0x00, kLast = 0x80;

inline std::string CloseWith(uint16_t code, std::string_view reason = "") {
  std::string payload = {static_cast<char>(code >> 8), static_cast<char>(code)};
  return Masked(kClose, payload += reason);
}

// A masked header that announces `size` in eight bytes, without the payload.
inline std::string Announce(uint8_t first, uint64_t size) {
  std::string out = {static_cast<char>(first), '\xff'};
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(size >> shift);
  return out + "mask";
}

struct Case {
  std::string name;
  std::string stream;
  std::vector<std::string> events;  // As Describe has them.
};

inline std::vector<Case> FramingCases() {
  std::vector<Case> cases;
  // 1: lengths.
  for (const size_t size : {0, 1, 125, 126, 127, 128, 65535, 65536}) {
    const std::string payload(size, '*');
    cases.push_back(
        {"1.1 text of " + std::to_string(size), Masked(kText, payload), {"text:" + payload}});
    cases.push_back(
        {"1.2 binary of " + std::to_string(size), Masked(kBinary, payload), {"binary:" + payload}});
  }
  cases.push_back({"binary is not validated", Masked(kBinary, "\xff\xfe"), {"binary:\xff\xfe"}});
  // 2: ping and pong.
  const std::string longest(125, '\xfe');
  cases.push_back({"2.1 empty ping", Masked(kPing, ""), {"ping:"}});
  cases.push_back({"2.3 ping with bytes", Masked(kPing, "\xff\xfe"), {"ping:\xff\xfe"}});
  cases.push_back({"2.4 longest ping", Masked(kPing, longest), {"ping:" + longest}});
  cases.push_back({"2.5 ping of 126", Masked(kPing, std::string(126, 'x')), {"error:1002"}});
  cases.push_back({"2.5 pong of 126", Masked(kPong, std::string(126, 'x')), {"error:1002"}});
  cases.push_back({"2.5 close of 126", Masked(kClose, std::string(126, 'x')), {"error:1002"}});
  cases.push_back(
      {"2.7 unsolicited pong", Masked(kPong, "x") + Masked(kPing, "y"), {"pong:x", "ping:y"}});
  // 3: reserved bits, alone and after a good message.
  for (uint8_t rsv = 1; rsv < 8; ++rsv) {
    for (const uint8_t first : {kText, kBinary, kPing, kPong, kClose, kTextStart}) {
      cases.push_back({"3 RSV " + std::to_string(rsv) + " opcode " + std::to_string(first),
                       Masked(kText, "a") + Masked(static_cast<uint8_t>(first | rsv << 4), "b"),
                       {"text:a", "error:1002"}});
    }
  }
  // 4: reserved opcodes.
  for (const uint8_t opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15}) {
    cases.push_back({"4 opcode " + std::to_string(opcode),
                     Masked(kText, "a") + Masked(static_cast<uint8_t>(0x80 | opcode), "b"),
                     {"text:a", "error:1002"}});
  }
  return cases;
}

inline std::vector<Case> FragmentationCases() {
  return {
      {"5.1 fragmented ping", Masked(0x09, "a") + Masked(kLast, "b"), {"error:1002"}},
      {"5.2 fragmented pong", Masked(0x0a, "a") + Masked(kLast, "b"), {"error:1002"}},
      {"fragmented close", Masked(0x08, "") + Masked(kLast, ""), {"error:1002"}},
      {"5.3 two fragments", Masked(kTextStart, "ab") + Masked(kLast, "cd"), {"text:abcd"}},
      {"two binary fragments",
       Masked(kBinaryStart, "\xff") + Masked(kLast, "\xfe"),
       {"binary:\xff\xfe"}},
      {"5.6 ping between fragments",
       Masked(kTextStart, "ab") + Masked(kPing, "p") + Masked(kLast, "cd"),
       {"ping:p", "text:abcd"}},
      {"5.9 continuation of nothing", Masked(kLast, "a") + Masked(kText, "b"), {"error:1002"}},
      {"5.12 open continuation of nothing", Masked(kMiddle, "a"), {"error:1002"}},
      {"5.15 continuation after the last",
       Masked(kTextStart, "a") + Masked(kLast, "b") + Masked(kLast, "c"),
       {"text:ab", "error:1002"}},
      {"5.18 text within text", Masked(kTextStart, "a") + Masked(kText, "b"), {"error:1002"}},
      {"binary within text", Masked(kTextStart, "a") + Masked(kBinaryStart, "b"), {"error:1002"}},
      {"5.19 pings all over",
       Masked(kTextStart, "1") + Masked(kMiddle, "2") + Masked(kPing, "x") + Masked(kMiddle, "3") +
           Masked(kMiddle, "4") + Masked(kPing, "y") + Masked(kLast, "5"),
       {"ping:x", "ping:y", "text:12345"}},
      {"close between fragments",
       Masked(kTextStart, "ab") + CloseWith(1000) + Masked(kLast, "c"),
       {"close:1000:"}},
      {"empty fragments",
       Masked(kTextStart, "") + Masked(kMiddle, "") + Masked(kLast, ""),
       {"text:"}},
      {"empty first and last",
       Masked(kBinaryStart, "") + Masked(kMiddle, "m") + Masked(kLast, ""),
       {"binary:m"}},
      {"two fragmented messages",
       Masked(kTextStart, "a") + Masked(kLast, "b") + Masked(kBinaryStart, "c") +
           Masked(kLast, "d"),
       {"text:ab", "binary:cd"}},
  };
}

// As UTF-8 would write it, also where it must not.
inline std::string Utf8Of(uint32_t point) {
  const auto tail = [](uint32_t bits) { return static_cast<char>(0x80 | (bits & 0x3f)); };
  if (point < 0x80) return {static_cast<char>(point)};
  if (point < 0x800) return {static_cast<char>(0xc0 | point >> 6), tail(point)};
  if (point < 0x10000) {
    return {static_cast<char>(0xe0 | point >> 12), tail(point >> 6), tail(point)};
  }
  return {static_cast<char>(0xf0 | point >> 18), tail(point >> 12), tail(point >> 6), tail(point)};
}

inline std::vector<Case> Utf8Cases() {
  const std::string kosme = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";
  std::vector<Case> cases = {
      {"6.1 empty text", Masked(kText, ""), {"text:"}},
      {"6.2 valid text", Masked(kText, kosme), {"text:" + kosme}},
      {"6.2 fragmented between characters",
       Masked(kTextStart, kosme.substr(0, 2)) + Masked(kLast, kosme.substr(2)),
       {"text:" + kosme}},
      {"6.3 invalid text", Masked(kText, kosme + "\xed\xa0\x80" + "edited"), {"error:1007"}},
      {"6.4 fails in the second of three fragments",
       Masked(kTextStart, kosme) + Masked(kMiddle, "\xf4\x90\x80\x80"),
       {"error:1007"}},
      {"ends within a character", Masked(kText, "\xce"), {"error:1007"}},
      {"last fragment ends within a character",
       Masked(kTextStart, "a") + Masked(kLast, "\xe2\x82"),
       {"error:1007"}},
      {"last fragment empty within a character",
       Masked(kTextStart, "\xe2\x82") + Masked(kLast, ""),
       {"error:1007"}},
      {"character across three fragments with a ping",
       Masked(kTextStart, "\xe2") + Masked(kMiddle, "\x82") + Masked(kPing, "\xff") +
           Masked(kLast, "\xac"),
       {"ping:\xff", "text:€"}},
      {"a character does not continue in the next message",
       Masked(kText, "a") + Masked(kText, "\x80"),
       {"text:a", "error:1007"}},
  };
  std::string bytewise;
  for (size_t i = 0; i < kosme.size(); ++i) {
    bytewise += Masked(i == 0                  ? kTextStart
                       : i + 1 == kosme.size() ? kLast
                                               : kMiddle,
                       kosme.substr(i, 1));
  }
  cases.push_back({"6.2.3 one byte per fragment", bytewise, {"text:" + kosme}});
  // 6.5-6.23 after Markus Kuhn's UTF-8 test file.
  for (const char* good :
       {"\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xef\xbf\xbf", "\xed\x9f\xbf",
        "\xee\x80\x80", "\xef\xbf\xbd", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "\xef\xbf\xbe"}) {
    cases.push_back({"6 valid", Masked(kText, good), {"text:" + std::string(good)}});
  }
  for (const char* bad : {"\x80",
                          "\xbf",
                          "\x80\xbf",
                          "\xc0 ",
                          "\xe0 ",
                          "\xf0 ",
                          "\xf8 ",
                          "\xfe",
                          "\xff",
                          "\xc0\xaf",
                          "\xe0\x80\xaf",
                          "\xf0\x80\x80\xaf",
                          "\xc1\xbf",
                          "\xe0\x9f\xbf",
                          "\xf0\x8f\xbf\xbf",
                          "\xf8\x88\x80\x80\x80",
                          "\xfc\x84\x80\x80\x80\x80",
                          "\xf4\x90\x80\x80",
                          "\xed\xa0\x80",
                          "\xed\xbf\xbf",
                          "\xed\xa0\x80\xed\xb0\x80",
                          "\xe0\x80",
                          "\xf0\x80\x80",
                          "\xdf",
                          "\xef\xbf",
                          "\xf7\xbf\xbf\xbf"}) {
    cases.push_back({"6 invalid", Masked(kText, bad), {"error:1007"}});
    // The same behind a fragment that is fine: the message has to fail in its second frame.
    cases.push_back({"6 invalid in a later fragment",
                     Masked(kTextStart, kosme) + Masked(kMiddle, bad + std::string("x")),
                     {"error:1007"}});
    std::string bytes = Masked(kTextStart, "");
    for (const char byte : bad + std::string("x")) bytes += Masked(kMiddle, {&byte, 1});
    cases.push_back({"6 invalid, one byte per fragment", bytes, {"error:1007"}});
  }
  // 6.6: every prefix of a text; whole characters pass, others fail only at the message's end.
  for (size_t size = 1; size < kosme.size(); ++size) {
    const std::string prefix = kosme.substr(0, size);
    const bool whole = size == 2 || size == 5 || size == 7 || size == 9;
    cases.push_back({"6.6 prefix of " + std::to_string(size), Masked(kText, prefix),
                     {whole ? "text:" + prefix : std::string("error:1007")}});
  }
  // 6.9, 6.22: the edges of what is a code point, and the non-characters, which are text.
  for (const uint32_t point :
       {0x0u,      0x7fu,     0x80u,     0x7ffu,    0x800u,    0xd7ffu,   0xe000u,   0xfdd0u,
        0xfffdu,   0xfffeu,   0xffffu,   0x10000u,  0x1fffeu,  0x1ffffu,  0x2fffeu,  0x2ffffu,
        0x3fffeu,  0x3ffffu,  0x4fffeu,  0x4ffffu,  0x5fffeu,  0x5ffffu,  0x6fffeu,  0x6ffffu,
        0x7fffeu,  0x7ffffu,  0x8fffeu,  0x8ffffu,  0x9fffeu,  0x9ffffu,  0xafffeu,  0xaffffu,
        0xbfffeu,  0xbffffu,  0xcfffeu,  0xcffffu,  0xdfffeu,  0xdffffu,  0xefffeu,  0xeffffu,
        0xffffeu,  0xfffffu,  0x10fffeu, 0x10ffffu}) {
    const std::string text = Utf8Of(point);
    cases.push_back({"6.22 code point " + std::to_string(point), Masked(kText, text),
                     {"text:" + text}});
  }
  // 6.19, 6.20: surrogates, alone and paired, and 6.17, 6.18: overlong forms.
  for (const uint32_t point : {0xd800u, 0xdb7fu, 0xdb80u, 0xdbffu, 0xdc00u, 0xdf80u, 0xdfffu,
                               0x110000u, 0x1fffffu}) {
    cases.push_back({"6.19 code point " + std::to_string(point),
                     Masked(kText, "a" + Utf8Of(point)), {"error:1007"}});
  }
  return cases;
}

inline std::vector<Case> CloseCases() {
  std::vector<Case> cases = {
      {"7.1 messages after a close are swallowed",
       Masked(kText, "a") + CloseWith(1000) + Masked(kText, "b") + Masked(kPing, ""),
       {"text:a", "close:1000:"}},
      {"even broken ones", CloseWith(1001) + "\xff\xff\xff\xff", {"close:1001:"}},
      {"7.3.1 without code", Masked(kClose, ""), {"close:1005:"}},
      {"7.3.2 one byte", Masked(kClose, "\x03"), {"error:1002"}},
      {"7.3.4 with reason", CloseWith(1000, "done"), {"close:1000:done"}},
      {"7.3.5 longest reason",
       CloseWith(1000, std::string(123, 'r')),
       {"close:1000:" + std::string(123, 'r')}},
      {"7.3.6 reason too long", CloseWith(1000, std::string(124, 'r')), {"error:1002"}},
      {"7.5 reason not UTF-8", CloseWith(1000, "\xce\xba\xed\xa0\x80"), {"error:1007"}},
      {"reason ends within a character", CloseWith(1000, "\xe2\x82"), {"error:1007"}},
  };
  for (const uint16_t code : {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013,
                              1014, 3000, 3999, 4000, 4999}) {
    cases.push_back({"7.7 code", CloseWith(code), {"close:" + std::to_string(code) + ":"}});
  }
  for (const uint16_t code :
       {0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535}) {
    cases.push_back({"7.9 code " + std::to_string(code), CloseWith(code), {"error:1002"}});
  }
  return cases;
}

inline std::vector<Case> LengthCases() {
  using enum LengthForm;
  const auto padded = [](uint8_t first, size_t size, LengthForm form) {
    return Masked(RawFrame{.first = first, .payload = std::string(size, 'x'), .form = form});
  };
  return {
      {"unmasked",
       std::string("\x81\x01"
                   "a"),
       {"error:1002"}},
      {"unmasked control", std::string("\x89\x00", 2), {"error:1002"}},
      {"0 in two bytes", padded(kText, 0, kTwoBytes), {"error:1002"}},
      {"125 in two bytes", padded(kBinary, 125, kTwoBytes), {"error:1002"}},
      {"0 in eight bytes", padded(kText, 0, kEightBytes), {"error:1002"}},
      {"126 in eight bytes", padded(kBinary, 126, kEightBytes), {"error:1002"}},
      {"65535 in eight bytes", padded(kBinary, 65535, kEightBytes), {"error:1002"}},
      {"ping with a two-byte length", padded(kPing, 1, kTwoBytes), {"error:1002"}},
      {"2^63 announced", Announce(kBinary, uint64_t{1} << 63), {"error:1009"}},
      {"2^64-1 announced", Announce(kBinary, UINT64_MAX), {"error:1009"}},
      {"2^63-1 announced", Announce(kBinary, INT64_MAX), {"error:1009"}},
      {"2^32+1 announced", Announce(kText, (uint64_t{1} << 32) + 1), {"error:1009"}},
      {"one byte over the limit", Announce(kText, 5'000'001), {"error:1009"}},
      {"2^64-1 announced after a fragment",
       Masked(kBinaryStart, "abc") + Announce(kLast, UINT64_MAX),
       {"error:1009"}},
      {"together one byte over the limit",
       Masked(kBinaryStart, "abc") + Announce(kLast, 4'999'998),
       {"error:1009"}},
  };
}

inline std::vector<Case> AllCases() {
  std::vector<Case> all;
  for (auto make : {FramingCases, FragmentationCases, Utf8Cases, CloseCases, LengthCases}) {
    for (Case& test : make()) all.push_back(std::move(test));
  }
  return all;
}

}  // namespace tw::websocket
