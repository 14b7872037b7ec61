#include "manifest/node.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <map>
#include <sstream>

#include "manifest/units.hpp"

namespace backplane::host {
namespace {

// Ends a parse; carries what to report.
struct Refused {
  Place place;
  std::string text;
};

// The text of a file, to look around in by line and column.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {
    starts_.push_back(0);
    for (std::size_t i = 0; i < text.size(); ++i)
      if (text[i] == '\n') starts_.push_back(i + 1);
  }

  std::size_t count() const { return starts_.size(); }
  // Without its line break; empty behind the end. From 1.
  std::string_view line(int number) const {
    if (number < 1 || static_cast<std::size_t>(number) > starts_.size()) return {};
    const auto begin = starts_[static_cast<std::size_t>(number) - 1];
    return text_.substr(begin, text_.find('\n', begin) - begin);
  }
  // Everything from a place on.
  std::string_view from(const Place& place) const {
    if (static_cast<std::size_t>(place.line) > starts_.size()) return {};
    const auto at =
        starts_[static_cast<std::size_t>(place.line) - 1] + static_cast<std::size_t>(place.column) - 1;
    return at < text_.size() ? text_.substr(at) : std::string_view{};
  }
  Place place(const Source& source, std::size_t offset) const {
    const auto next = std::upper_bound(starts_.begin(), starts_.end(), offset);
    const auto line = next - starts_.begin();
    const auto start = starts_[static_cast<std::size_t>(line) - 1];
    return {&source, static_cast<int>(line), static_cast<int>(offset - start) + 1};
  }

 private:
  std::string_view text_;
  std::vector<std::size_t> starts_;
};

// Whether the quoted text that `rest` begins with ends somewhere.
bool is_closed(std::string_view rest) {
  const char quote = rest.front();
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (quote == '"' && rest[i] == '\\') {
      ++i;
    } else if (rest[i] == quote) {
      if (quote == '"' || i + 1 >= rest.size() || rest[i + 1] != quote) return true;
      ++i;
    }
  }
  return false;
}

// Builds the tree from yaml-cpp's events.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(const Source& source, const Lines& lines, Budget& budget)
      : source_(source), lines_(lines), budget_(budget) {}

  bool has_document() const { return document_.has_value(); }
  Node take_document() { return std::move(*document_); }
  // Where the innermost bracket that is still open stands, if it is one.
  const Node* innermost_bracket() const {
    return !open_.empty() && open_.back().bracket ? &open_.back().node : nullptr;
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (!document_) return;
    auto at = place(mark);
    if (lines_.line(at.line).starts_with("---")) throw Refused{at, "a second document; a file holds one"};
    throw Refused{at, "this line belongs to nothing above it; check its indentation"};
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node node;
    node.place = place(mark);
    begin(node.place, 0);
    finish(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto at = place(mark);
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end())
      throw Refused{at, "an alias inside the value it stands for; it would have no end"};
    take_copy(found->second, at);
    auto node = found->second;
    node.place = at;
    check_depth(at, open_.size() + depth_of(node));
    finish(std::move(node), 0);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node node;
    node.type = Node::Type::text;
    node.place = place(mark);
    refuse_tag(node.place, tag);
    refuse_open_quote(node.place, tag);
    begin(node.place, value.size());
    node.text = value;
    finish(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    open(Node::Type::list, mark, tag, anchor, style);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    open(Node::Type::map, mark, tag, anchor, style);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    Node node;
    YAML::anchor_t anchor = 0;
    bool bracket = false;
    std::optional<Node> key;
  };

  Place place(const YAML::Mark& mark) const { return {&source_, mark.line + 1, mark.column + 1}; }

  static void refuse_tag(const Place& at, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    throw Refused{at, "the tag " + in_quotes(tag) + " has no meaning here; leave it out"};
  }

  // yaml-cpp takes the rest of the file when a quote is never closed.
  void refuse_open_quote(const Place& at, const std::string& tag) const {
    if (tag != "!") return;
    auto rest = lines_.from(at);
    if (rest.starts_with('&')) rest.remove_prefix(std::min(rest.find_first_of("\"' \n"), rest.size()));
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    if (rest.empty() || (rest.front() != '"' && rest.front() != '\'')) return;
    if (!is_closed(rest)) throw Refused{at, "the quoted text that begins here is never closed"};
  }

  static void check_depth(const Place& at, std::size_t depth) {
    if (depth > manifest_depth_limit)
      throw Refused{
          at, "lists and maps inside each other more than " + std::to_string(manifest_depth_limit) + " deep"};
  }

  void begin(const Place& at, std::size_t size) {
    if (!budget_.take(size))
      throw Refused{at, "too large: all files together hold at most " + std::to_string(manifest_value_limit) +
                            " values and " + size_text(static_cast<std::int64_t>(manifest_text_limit)) +
                            " of text, with aliases and ${} written out"};
  }

  void take_copy(const Node& node, const Place& at) {
    begin(at, node.text.size());
    for (const auto& item : node.items) take_copy(item, at);
    for (const auto& entry : node.entries) {
      take_copy(entry.key, at);
      take_copy(entry.value, at);
    }
  }

  static std::size_t depth_of(const Node& node) {
    std::size_t deepest = 0;
    for (const auto& item : node.items) deepest = std::max(deepest, depth_of(item));
    for (const auto& entry : node.entries) deepest = std::max(deepest, depth_of(entry.value));
    return deepest + (node.is_list() || node.is_map() ? 1 : 0);
  }

  void open(Node::Type type, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            YAML::EmitterStyle::value style) {
    const auto at = place(mark);
    refuse_tag(at, tag);
    begin(at, 0);
    check_depth(at, open_.size() + 1);
    Open next;
    next.node.type = type;
    next.node.place = at;
    next.anchor = anchor;
    next.bracket = style == YAML::EmitterStyle::Flow;
    open_.push_back(std::move(next));
  }

  void close() {
    auto last = std::move(open_.back());
    open_.pop_back();
    finish(std::move(last.node), last.anchor);
  }

  void finish(Node node, YAML::anchor_t anchor) {
    if (anchor != 0) {
      take_copy(node, node.place);
      anchors_[anchor] = node;
    }
    if (open_.empty()) {
      document_ = std::move(node);
      return;
    }
    auto& parent = open_.back();
    if (parent.node.is_list()) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.key) {
      if (!node.is_text()) throw Refused{node.place, "a key is a text, not " + std::string(type_name(node))};
      parent.key = std::move(node);
    } else {
      parent.node.entries.push_back({std::move(*parent.key), std::move(node)});
      parent.key.reset();
    }
  }

  const Source& source_;
  const Lines& lines_;
  Budget& budget_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Node> anchors_;
  std::optional<Node> document_;
};

// Length of the UTF-8 sequence at the start of `text`, 0 when it is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  const std::size_t length = first < 0x80   ? 1
                             : first < 0xC2 ? 0
                             : first < 0xE0 ? 2
                             : first < 0xF0 ? 3
                             : first < 0xF5 ? 4
                                            : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xC0U) != 0x80U) return 0;
  const bool overlong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xF0 && byte(1) < 0x90);
  const bool surrogate = first == 0xED && byte(1) > 0x9F;
  const bool beyond = first == 0xF4 && byte(1) > 0x8F;
  return overlong || surrogate || beyond ? 0 : length;
}

void refuse_strange_bytes(std::string_view text, const Source& source, const Lines& lines) {
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < ' ' && c != '\n' && c != '\t' && c != '\r')
      throw Refused{lines.place(source, i), "a control character; a manifest is a text"};
    const auto length = utf8_length(text.substr(i));
    if (length == 0) throw Refused{lines.place(source, i), "not UTF-8; save the file in that encoding"};
    i += length;
  }
}

// The tab that an error at `at` probably comes from: in the indentation of that line or of the one above it.
std::optional<Place> tab_near(const Place& at, const Lines& lines) {
  for (int line = at.line; line >= std::max(1, at.line - 1); --line) {
    const auto text = lines.line(line);
    const auto indentation = text.substr(0, text.find_first_not_of(" \t"));
    const auto tab = indentation.find('\t');
    if (tab != std::string_view::npos) return Place{at.source, line, static_cast<int>(tab) + 1};
  }
  return std::nullopt;
}

Refused open_bracket(const Node& bracket, const Place& at, const Lines& lines) {
  const auto before = lines.line(at.line).substr(0, static_cast<std::size_t>(at.column) - 1);
  if (before.ends_with('$') && lines.from(at).starts_with('{'))
    return {at, "inside { } and [ ] a value with ${...} needs quotes around it"};
  const bool is_map = bracket.is_map();
  return {bracket.place, std::string("this \"") + (is_map ? "{" : "[") + "\" is not closed; a \"" +
                             (is_map ? "}" : "]") + "\" or a comma is missing before line " +
                             std::to_string(at.line) + ", column " + std::to_string(at.column)};
}

// What yaml-cpp says, in words that help.
Refused explain(const YAML::Exception& error, const Source& source, const TreeBuilder& tree,
                const Lines& lines) {
  namespace Said = YAML::ErrorMsg;
  Place at{&source, std::max(error.mark.line + 1, 1), std::max(error.mark.column + 1, 1)};
  if (const auto tab = tab_near(at, lines)) return {*tab, "a tab in the indentation; YAML takes spaces only"};
  if (error.msg == Said::END_OF_MAP_FLOW || error.msg == Said::END_OF_SEQ_FLOW)
    if (const auto* bracket = tree.innermost_bracket()) return open_bracket(*bracket, at, lines);
  const std::string character(lines.from(at).substr(0, 1));
  if (error.msg == Said::MAP_VALUE)
    return {at,
            "a \":\" that does not fit here; quote a text that contains \": \", and check the indentation"};
  if (error.msg == Said::END_OF_MAP || error.msg == Said::END_OF_SEQ || error.msg == Said::BLOCK_ENTRY ||
      error.msg == Said::MAP_KEY)
    return {at, "this line does not fit the lines above it; check its indentation"};
  if (error.msg == Said::UNKNOWN_TOKEN)
    return {at, "a value cannot begin with " + in_quotes(character) + "; put it in quotes"};
  if (error.msg == Said::FLOW_END)
    return {at, "a closing " + in_quotes(character) + " without an opening one"};
  if (error.msg.starts_with(Said::UNKNOWN_ANCHOR))
    return {at, "an alias without an anchor; put a text that begins with \"*\" in quotes"};
  if (error.msg == Said::ALIAS_NOT_FOUND || error.msg == Said::CHAR_IN_ALIAS)
    return {at, "put a text that contains \"*\" in quotes"};
  if (error.msg == Said::ANCHOR_NOT_FOUND || error.msg == Said::CHAR_IN_ANCHOR)
    return {at, "put a text that begins with \"&\" in quotes"};
  return {at, "not valid YAML: " + error.msg};
}

Node parse(std::string_view text, const Source& source, Budget& budget) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  const Lines lines(text);
  if (text.size() > manifest_size_limit)
    throw Refused{
        {&source, 1, 1},
        "too large; a file has at most " + size_text(static_cast<std::int64_t>(manifest_size_limit))};
  refuse_strange_bytes(text, source, lines);
  std::istringstream stream{std::string(text)};
  TreeBuilder tree(source, lines, budget);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(tree)) {
    }
  } catch (const YAML::Exception& error) {
    throw explain(error, source, tree, lines);
  }
  if (!tree.has_document()) throw Refused{{&source, 1, 1}, "the file is empty"};
  auto root = tree.take_document();
  if (!root.is_map())
    throw Refused{root.place,
                  "expected keys such as components and routes, found " + std::string(type_name(root))};
  return root;
}

}  // namespace

const Node* Node::find(std::string_view key) const {
  for (const auto& entry : entries)
    if (entry.key.text == key) return &entry.value;
  return nullptr;
}

std::string_view type_name(const Node& node) {
  switch (node.type) {
    case Node::Type::text:
      return "a text";
    case Node::Type::list:
      return "a list";
    case Node::Type::map:
      return "a map";
    case Node::Type::null:
      break;
  }
  return "nothing";
}

std::optional<Node> parse_yaml(std::string_view text, const Source& source, Budget& budget,
                               Problems& problems) {
  try {
    return parse(text, source, budget);
  } catch (const Refused& refused) {
    problems.error(refused.place, refused.text);
    return std::nullopt;
  }
}

}  // namespace backplane::host
