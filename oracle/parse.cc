// Parsing: every complaint names the column, the token and what was expected there.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "text.h"

namespace truenorm::oracle {
namespace {

/// A piece of the line that knows where it stands.
struct Token {
  std::string_view text;
  std::size_t column;  // 1-based

  bool empty() const { return text.empty(); }
  Token from(std::size_t offset) const { return {text.substr(offset), column + offset}; }
  Token first(std::size_t length) const { return {text.substr(0, length), column}; }
  [[noreturn]] void fail(std::string_view expected) const {
    throw ParseError(column, std::string(text), std::string(expected));
  }
};

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::vector<Token> tokens_of(Token part) {
  std::vector<Token> tokens;
  tokens.reserve(20);  // more than most lines have
  for (std::size_t i = 0; i < part.text.size();) {
    if (is_blank(part.text[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < part.text.size() && !is_blank(part.text[end])) ++end;
    tokens.push_back(part.from(i).first(end - i));
    i = end;
  }
  return tokens;
}

template <typename E>
std::string all_names(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) ((text += i == 0 ? "" : " ")) += name(static_cast<E>(i));
  return text;
}

/// One of the names of an enumeration.
template <typename E>
E choice(Token token, int count) {
  for (int i = 0; i < count; ++i)
    if (name(static_cast<E>(i)) == token.text) return static_cast<E>(i);
  token.fail("one of: " + all_names<E>(count));
}

double number(Token token) {
  double value = 0;
  const char* const end = token.text.data() + token.text.size();
  const auto result = std::from_chars(token.text.data(), end, value);
  if (result.ec == std::errc::result_out_of_range)
    token.fail("a number within the range of a double");
  if (result.ec != std::errc{} || result.ptr != end) token.fail("a number");
  return std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value;
}

template <typename Integer>
Integer integer(Token token, std::string_view expected) {
  Integer value = 0;
  const char* const end = token.text.data() + token.text.size();
  const auto result = std::from_chars(token.text.data(), end, value);
  if (token.empty() || !is_digit(token.text[0]) || result.ec != std::errc{} || result.ptr != end)
    token.fail(expected);
  return value;
}

/// Takes the digits at the front of `rest`.
template <typename Integer>
Integer take_integer(Token& rest, std::string_view expected) {
  std::size_t length = 0;
  while (length < rest.text.size() && is_digit(rest.text[length])) ++length;
  const Token digits = rest.first(length);
  if (digits.empty()) rest.first(1).fail(expected);
  rest = rest.from(length);
  return integer<Integer>(digits, expected);
}

constexpr std::string_view kSizeRange = "a size from 0 to 67108864";

Shape shape_of(Token token) {
  static constexpr std::string_view form = "a shape: n4c16, n4c16s9, n4c16s7x7 or n4c16s4x7x7";
  Shape shape;
  Token rest = token;
  const auto size = [&rest](char mark) {
    if (rest.empty() || rest.text[0] != mark) rest.fail(form);
    rest = rest.from(1);
    return take_integer<std::int64_t>(rest, kSizeRange);
  };
  shape.n = size('n');
  shape.c = size('c');
  while (!rest.empty()) {
    if (shape.spatial_rank == 3) rest.fail("at most three spatial sizes");
    shape.s[static_cast<std::size_t>(shape.spatial_rank)] =
        size(shape.spatial_rank == 0 ? 's' : 'x');
    ++shape.spatial_rank;
  }
  return shape;
}

void dtypes_of(Token token, Problem& problem) {
  const std::size_t slash = std::min(token.text.find('/'), token.text.size());
  const std::string_view data = token.text.substr(0, slash);
  const std::string_view params = slash < token.text.size() ? token.text.substr(slash + 1) : data;
  const bool twice = slash < token.text.size() && params == data;
  for (const auto& [d, p] : kDtypePairs) {
    if (name(d) == data && name(p) == params && !twice) {
      problem.dtype = d;
      problem.param_dtype = p;
      return;
    }
  }
  std::string names;
  for (const auto& [d, p] : kDtypePairs) {
    (names += ' ') += name(d);
    if (p != d) (names += '/') += name(p);
  }
  token.fail("one of:" + names);
}

std::vector<std::uint8_t> bytes_of(Token digits) {
  constexpr std::string_view expected = "an even number of hex digits, for 1 to 64 bytes";
  if (digits.empty() || digits.text.size() % 2 != 0 || digits.text.size() > 2 * kMaxBits)
    digits.fail(expected);
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i < digits.text.size(); i += 2) {
    const Token pair = digits.from(i).first(2);
    std::uint8_t byte = 0;
    const auto result = std::from_chars(pair.text.data(), pair.text.data() + 2, byte, 16);
    if (result.ec != std::errc{} || result.ptr != pair.text.data() + 2) pair.fail(expected);
    bytes.push_back(byte);
  }
  return bytes;
}

Dist dist_of(Token token) {
  Dist dist;
  const std::size_t open = token.text.find('(');
  const Token word = token.first(std::min(open, token.text.size()));
  dist.kind = choice<DistKind>(word, kDistKinds);
  const int parameters = parameter_count(dist.kind);
  const bool takes_brackets = parameters > 0 || dist.kind == DistKind::bits;
  if (open == std::string_view::npos) {
    if (takes_brackets)
      token.fail(std::string(name(dist.kind)) + (parameters == 2               ? "(a,b)"
                                                 : dist.kind == DistKind::bits ? "(hex)"
                                                                               : "(a)"));
    return dist;
  }
  const Token brackets = token.from(open);
  if (!takes_brackets) brackets.fail("no brackets behind " + std::string(name(dist.kind)));
  if (brackets.text.back() != ')') brackets.fail("a closing bracket");
  const Token inner = brackets.from(1).first(brackets.text.size() - 2);
  if (dist.kind == DistKind::bits) {
    dist.bits = bytes_of(inner);
    return dist;
  }
  const std::size_t comma = inner.text.find(',');
  if ((comma != std::string_view::npos) != (parameters == 2))
    inner.fail(parameters == 2 ? "two numbers" : "one number");
  dist.a = number(inner.first(std::min(comma, inner.text.size())));
  if (parameters == 2) dist.b = number(inner.from(comma + 1));
  return dist;
}

Momentum momentum_of(Token token) {
  return token.text == "cum" ? Momentum{true, 0} : Momentum{false, number(token)};
}

/// Takes the brackets behind a step that sets something, and what stands in them.
void take_value(Token& rest, Step& step) {
  const Token written = rest;
  rest = rest.from(1);
  const std::size_t end = rest.text.find(')');
  if (rest.empty() || rest.text[0] != '(' || end == std::string_view::npos)
    written.fail(step.op == Op::set_eps ? "e(number)" : "m(number) or m(cum)");
  const Token value = rest.first(end).from(1);
  if (step.op == Op::set_eps)
    step.eps = number(value);
  else
    step.momentum = momentum_of(value);
  rest = rest.from(end + 1);
}

Op op_of(Token step) {
  std::string letters;
  for (int i = 0; i < kOps; ++i) {
    letters += letter(static_cast<Op>(i));
    if (letters.back() == step.text[0]) return static_cast<Op>(i);
  }
  step.fail("a step, one of " + letters);
}

std::vector<Step> run_of(Token token) {
  std::vector<Step> run;
  run.reserve(std::min(token.text.size(), kMaxSteps));
  std::int64_t next = 0;
  for (Token rest = token; !rest.empty();) {
    Step step;
    step.op = op_of(rest.first(1));
    const Token whole = rest;
    if (step.op == Op::set_eps || step.op == Op::set_momentum)
      take_value(rest, step);
    else
      rest = rest.from(1);
    bool has_id = false;
    std::int64_t repeat = 1;
    while (!rest.empty() && (rest.text[0] == '#' || rest.text[0] == '@')) {
      const Token mark = rest.first(1);
      rest = rest.from(1);
      if (mark.text[0] == '#' ? has_id : step.batch != Step::kSameBatch)
        mark.fail("each of # and @ once");
      if (mark.text[0] == '@') {
        step.batch = take_integer<std::int64_t>(rest, kSizeRange);
        continue;
      }
      has_id = true;
      next = take_integer<std::uint32_t>(rest, "a step id from 0 to 4294967295");
    }
    if (!rest.empty() && rest.text[0] == '*') {
      rest = rest.from(1);
      repeat = take_integer<std::uint8_t>(rest, "a count from 1 to 64");
    }
    const Token written = whole.first(whole.text.size() - rest.text.size());
    if (repeat < 1 || run.size() + static_cast<std::size_t>(repeat) > kMaxSteps)
      written.fail("1 to 64 steps in all");
    for (; repeat > 0; --repeat) {
      if (next > std::numeric_limits<std::uint32_t>::max())
        written.fail("a step id from 0 to 4294967295");
      step.id = static_cast<std::uint32_t>(next++);
      run.push_back(step);
    }
  }
  return run;
}

/// What stands where, so that a defect found at the end can be shown at its token, and nothing be
/// said twice.
class Seen {
 public:
  Seen() { tokens_.reserve(16); }  // all fields of a side
  /// `field` is a part of the line or lasts as long as the program.
  void add(std::string_view field, Token token) {
    if (find(field) != nullptr)
      token.fail("each field once, " + std::string(field) + " came before");
    tokens_.emplace_back(field, token);
  }
  Token at(std::string_view field, Token otherwise) const {
    const Token* const found = find(field);
    return found == nullptr ? otherwise : *found;
  }

 private:
  const Token* find(std::string_view field) const {
    for (const auto& [known, token] : tokens_)
      if (known == field) return &token;
    return nullptr;
  }

  std::vector<std::pair<std::string_view, Token>> tokens_;
};

constexpr std::string_view kProblemForm =
    "a shape, a dtype, or one of: eps= mom= affine= stats= renorm= x= dy= w= b= rm= rv= run= seed=";
constexpr std::string_view kExecForm = "one of: y= dy= dx= thr= isa= skew= inplace params=";

void affine_of(Token value, Problem& problem) {
  constexpr std::array<std::string_view, 4> kSpellings{"none", "g", "b", "gb"};
  for (std::size_t i = 0; i < kSpellings.size(); ++i) {
    if (value.text != kSpellings[i]) continue;
    problem.weight = (i & 1) != 0;
    problem.bias = (i & 2) != 0;
    return;
  }
  value.fail("one of: none g b gb");
}

Renorm renorm_of(Token value) {
  const std::size_t comma = value.text.find(',');
  if (comma == std::string_view::npos) value.fail("two numbers: r_max,d_max");
  return {number(value.first(comma)), number(value.from(comma + 1))};
}

Dist* data_field(std::string_view key, Problem& problem) {
  const std::array<std::pair<std::string_view, Dist*>, 6> fields{{{"x", &problem.x},
                                                                  {"dy", &problem.dy},
                                                                  {"w", &problem.w},
                                                                  {"b", &problem.b},
                                                                  {"rm", &problem.rm},
                                                                  {"rv", &problem.rv}}};
  for (const auto& [field, dist] : fields)
    if (field == key) return dist;
  return nullptr;
}

void keyed_field(Token token, std::string_view key, Token value, Problem& problem) {
  if (Dist* const dist = data_field(key, problem)) {
    *dist = dist_of(value);
  } else if (key == "eps") {
    problem.eps = number(value);
  } else if (key == "mom") {
    problem.momentum = momentum_of(value);
  } else if (key == "affine") {
    affine_of(value, problem);
  } else if (key == "stats") {
    if (value.text != "on" && value.text != "off") value.fail("one of: on off");
    problem.track = value.text == "on";
  } else if (key == "renorm") {
    problem.renorm = renorm_of(value);
  } else if (key == "run") {
    problem.run = run_of(value);
  } else if (key == "seed") {
    problem.seed = integer<std::uint64_t>(value, "a whole number from 0 to 18446744073709551615");
  } else {
    token.fail(kProblemForm);
  }
}

Problem problem_of(const std::vector<Token>& tokens, Seen& seen) {
  if (tokens.empty()) throw ParseError(1, "", "tn1, the version of the form");
  if (tokens[0].text != "tn1") tokens[0].fail("tn1, the version of the form");
  Problem problem;
  for (std::size_t i = 1; i < tokens.size(); ++i) {
    const Token token = tokens[i];
    const std::size_t equals = token.text.find('=');
    if (equals != std::string_view::npos) {
      const std::string_view key = token.text.substr(0, equals);
      keyed_field(token, key, token.from(equals + 1), problem);
      seen.add(key, token);
    } else if (token.text.size() > 1 && token.text[0] == 'n' && is_digit(token.text[1])) {
      problem.shape = shape_of(token);
      seen.add("shape", token);
    } else if (token.text[0] == 'f' || token.text[0] == 'b') {
      dtypes_of(token, problem);
      seen.add("dtype", token);
    } else {
      token.fail(kProblemForm);
    }
  }
  return problem;
}

void exec_field(Token token, std::string_view key, Exec& exec) {
  const std::size_t equals = token.text.find('=');
  if (token.text == "inplace") {
    exec.inplace = true;
    return;
  }
  if (equals == std::string_view::npos) token.fail(kExecForm);
  const Token value = token.from(equals + 1);
  if (key == "y")
    exec.y = choice<Layout>(value, kLayouts);
  else if (key == "dy")
    exec.dy = choice<Layout>(value, kLayouts);
  else if (key == "dx")
    exec.dx = choice<Layout>(value, kLayouts);
  else if (key == "thr")
    exec.threads = integer<std::uint8_t>(value, "threads from 1 to 64");
  else if (key == "isa")
    exec.isa = choice<Isa>(value, kIsas);
  else if (key == "skew")
    exec.skew = integer<std::uint8_t>(value, "elements from 0 to 63");
  else if (key != "params")
    token.fail(kExecForm);
  else if (value.text != "dense" && value.text != "strided")
    value.fail("one of: dense strided");
  else
    exec.strided_params = value.text == "strided";
}

Exec exec_of(const std::vector<Token>& tokens, std::size_t end, Seen& seen) {
  if (tokens.empty()) throw ParseError(end, "", "a layout, one of: " + all_names<Layout>(kLayouts));
  Exec exec;
  exec.x = exec.dy = choice<Layout>(tokens[0], kLayouts);
  exec.y = exec.dx = output_layout(exec.x);
  for (std::size_t i = 1; i < tokens.size(); ++i) {
    const std::string_view key = tokens[i].text.substr(0, tokens[i].text.find('='));
    exec_field(tokens[i], key, exec);
    seen.add(key, tokens[i]);
  }
  return exec;
}

}  // namespace

ParseError::ParseError(std::size_t at, std::string what_stands_there, std::string wanted,
                       const std::string& place)
    : std::runtime_error((place.empty() ? "column " : place + ":") + std::to_string(at) + ": '" +
                         what_stands_there + "': expected " + wanted),
      column(at),
      token(std::move(what_stands_there)),
      expected(std::move(wanted)) {}

Case parse(std::string_view line) {
  const std::size_t bar = line.find('|');
  Seen left, right;
  Case c;
  const Token whole{line, 1};
  const std::vector<Token> problem_tokens = tokens_of(whole.first(std::min(bar, line.size())));
  c.problem = problem_of(problem_tokens, left);
  if (bar != std::string_view::npos)
    c.exec = exec_of(tokens_of(whole.from(bar + 1)), line.size() + 1, right);
  const std::string_view why = defect(c);
  if (why.empty()) return c;
  const std::string_view field = why.substr(0, why.find(':'));
  // Only the exec's fields are looked up on the right: x, y, dx, dy name tensors there and data on
  // the left.
  const bool on_the_right = c.exec && (field == "y" || field == "dx" || field == "thr" ||
                                       field == "skew" || field == "inplace");
  const Token place = on_the_right ? right.at(field, whole) : left.at(field, problem_tokens[0]);
  place.fail(why.substr(field.size() + 2));
}

std::vector<Line> parse_file(std::string_view text, std::string_view what) {
  std::vector<Line> lines;
  std::string comment;
  int number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    std::size_t hash = line.find('#');
    while (hash != std::string_view::npos && hash > 0 && !is_blank(line[hash - 1]))
      hash = line.find('#', hash + 1);
    const std::string_view body = line.substr(0, hash);
    if (body.find_first_not_of(" \t\r") == std::string_view::npos) {
      if (hash == std::string_view::npos)
        comment.clear();
      else
        ((comment += comment.empty() ? "" : "\n")) +=
            line.substr(std::min(line.find_first_not_of(" \t", hash + 1), line.size()));
      continue;
    }
    try {
      lines.push_back({parse(body), number, std::exchange(comment, {})});
    } catch (const ParseError& error) {
      throw ParseError(error.column, error.token, error.expected,
                       std::string(what) + ":" + std::to_string(number));
    }
  }
  return lines;
}

}  // namespace truenorm::oracle
