#include "page.h"

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <string>

#include "../place.h"
#include "style.h"

namespace truenorm::oracle::page {
namespace {

/// Bytes of the UTF-8 sequence at the beginning of `text`; 0: there is none.
std::size_t sequence(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = at(0);
  const std::size_t size = lead < 0x80                    ? 1
                           : lead >= 0xc2 && lead <= 0xdf ? 2
                           : (lead & 0xf0) == 0xe0        ? 3
                           : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                          : 0;
  if (size == 0 || size > text.size()) return 0;
  std::uint32_t point = size == 1 ? lead : lead & (0x7fu >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
    point = point << 6 | (at(i) & 0x3fu);
  }
  constexpr std::array<std::uint32_t, 5> kLeast{0, 0, 0x80, 0x800, 0x10000};
  const bool sound =
      point >= kLeast[size] && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
  return sound ? size : 0;
}

const char* class_of(Cell cell) {
  switch (cell) {
    case Cell::text:
      return "";
    case Cell::number:
      return " class=number";
    case Cell::code:
      return " class=code";
    case Cell::line:
      return " class=line";
  }
  return "";
}

const char* class_of(Tone tone) {
  switch (tone) {
    case Tone::plain:
      return "plain";
    case Tone::good:
      return "good";
    case Tone::bad:
      return "bad";
  }
  return "";
}

std::string html_of(const Table& table, const std::string& label) {
  // Wide ones scroll by themselves, also for those who have only keys.
  std::string html =
      fmt::format("<div class=scroll tabindex=0 role=region aria-label=\"{}\"><table>\n<thead><tr>",
                  escape(label));
  for (const Column& column : table.columns)
    html += fmt::format("<th scope=col{}>{}</th>", class_of(column.cell), escape(column.name));
  html += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    html += "<tr>";
    for (std::size_t i = 0; i < table.columns.size(); ++i)
      html += fmt::format("<td{}>{}</td>", class_of(table.columns[i].cell),
                          i < row.size() ? escape(row[i]) : "");
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string legend_of(const Plot& plot) {
  if (plot.series.size() < 2) return "";
  std::string html = "<ul class=legend>";
  for (std::size_t i = 0; i < plot.series.size(); ++i)
    html +=
        fmt::format("<li><i style=\"--c:var(--s{})\"{}></i>{}</li>", colour_of(plot, i),
                    i < std::size_t{kColours} ? "" : " class=dashed", escape(plot.series[i].name));
  return html + "</ul>";
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t size = sequence(text);
    const auto byte = static_cast<unsigned char>(text.front());
    if (size == 0)
      out += "\xef\xbf\xbd";
    else if ((byte < 0x20 && byte != '\n') || byte == 0x7f)  // U+2400 and on, in UTF-8
      out += {'\xe2', '\x90', static_cast<char>(0x80 + (byte == 0x7f ? 0x21 : byte))};
    else
      out += text.substr(0, size);
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return out;
}

std::string escape(std::string_view text) {
  std::string html;
  for (const char c : printable(text)) switch (c) {
      case '&':
        html += "&amp;";
        break;
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      case '"':
        html += "&quot;";
        break;
      case '\'':
        html += "&#39;";
        break;
      default:
        html += c;
    }
  return html;
}

Page::Page(std::string title, std::string lede, Tone tone) : title_(std::move(title)) {
  body_ = fmt::format("<header>\n<h1>{}</h1>\n<p class=\"lede {}\">{}</p>\n</header>\n",
                      escape(title_), class_of(tone), escape(lede));
}

void Page::section(std::string_view heading) {
  if (open_) body_ += "</section>\n";
  open_ = true;
  body_ += fmt::format("<section>\n<h2>{}</h2>\n", escape(heading));
}

void Page::paragraph(std::string_view text) { body_ += fmt::format("<p>{}</p>\n", escape(text)); }

void Page::command(std::string_view text) {
  body_ += fmt::format("<pre><code>{}</code></pre>\n", escape(as_typed(std::string(text))));
}

void Page::facts(const std::vector<std::pair<std::string, std::string>>& name_and_value) {
  body_ += "<dl class=facts>\n";
  for (const auto& [name, value] : name_and_value)
    body_ += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", escape(name), escape(value));
  body_ += "</dl>\n";
}

void Page::table(const Table& table) { body_ += html_of(table, "table"); }

void Page::card(const Card& card) {
  body_ += fmt::format("<article class={}>\n<h3><b>{}</b> {}</h3>\n<dl>\n", class_of(card.tone),
                       escape(card.badge), escape(card.title));
  for (const Card::Field& field : card.fields) {
    if (field.text.empty()) continue;
    body_ += fmt::format("<dt>{}</dt><dd{}>{}</dd>\n", escape(field.label),
                         field.code ? " class=code" : "", escape(field.text));
  }
  body_ += "</dl>\n</article>\n";
}

void Page::figure(const Figure& figure) {
  const Drawing drawing = draw(figure.plot, fmt::format("plot{}", ++figures_));
  body_ += fmt::format("<figure>\n<figcaption>{}</figcaption>\n<div>", escape(figure.caption));
  if (drawing.problem.empty())
    body_ += fmt::format("<div role=img aria-label=\"{}\">{}</div>{}", escape(figure.caption),
                         drawing.svg, legend_of(figure.plot));
  else
    body_ += fmt::format("<p class=absent>No plot: {}.</p>", escape(drawing.problem));
  body_ += "</div>\n" + html_of(figure.table, figure.caption) + "</figure>\n";
}

std::string Page::html() const {
  return fmt::format(
      "<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n"
      "<meta name=viewport content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=color-scheme content=\"light dark\">\n"
      "<link rel=icon href=\"data:,\">\n<title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n"
      "<main>\n{}{}</main>\n</body>\n</html>\n",
      escape(title_), kStyle, body_, open_ ? "</section>\n" : "");
}

}  // namespace truenorm::oracle::page
