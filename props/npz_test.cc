// Files of arrays: headers, archives and questions are read, or refused with what is wrong, where and
// what would be right. The files of corpus/npz/ are numpy's own (make.py).
#include <algorithm>
#include <filesystem>

#include "dice.h"
#include "npz/question.h"
#include "npz_files.h"

namespace truenorm::props {
namespace {

using namespace oracle;

std::string corpus(const std::string& name) { return TRUENORM_CORPUS_DIR "/npz/" + name; }

// ---- The header.

TEST(Npy, HeadersAreWrittenAsNumpyWritesThem) {
  std::size_t count = 0;
  for (const auto& file : std::filesystem::directory_iterator(TRUENORM_CORPUS_DIR "/npz")) {
    if (file.path().extension() != ".npz") continue;
    int code = 0;
    zip_t* const zip = zip_open(file.path().c_str(), ZIP_RDONLY, &code);
    ASSERT_NE(zip, nullptr);
    for (zip_int64_t i = 0; i < zip_get_num_entries(zip, 0); ++i) {
      std::string npy(1 << 16, '\0');
      zip_file_t* const entry = zip_fopen_index(zip, static_cast<zip_uint64_t>(i), 0);
      npy.resize(static_cast<std::size_t>(zip_fread(entry, npy.data(), npy.size())));
      zip_fclose(entry);
      const npy::Parsed p = npy::parse(npy);
      EXPECT_EQ(npy::print(p.header, p.version), npy.substr(0, p.size));
      EXPECT_EQ(npy.size(), p.size + static_cast<std::size_t>(p.header.bytes()));
      ++count;
    }
    zip_discard(zip);
  }
  EXPECT_GT(count, 50u);
}

npy::Header any_header(Dice& dice) {
  npy::Header h;
  const std::string kinds = "biufcSUVO";
  h.kind = kinds[static_cast<std::size_t>(dice.below(9))];
  h.item = h.kind == 'O'                                     ? 8
           : h.kind == 'S' || h.kind == 'U' || h.kind == 'V' ? dice.below(npy::kMaxItem + 1)
                                                             : std::int64_t{1} << dice.below(5);
  const bool ordered =
      h.kind == 'U' || (h.item > 1 && std::string("iufc").find(h.kind) != std::string::npos);
  h.big = ordered && dice.below(2) == 1;
  h.fortran = dice.below(2) == 1;
  std::int64_t left = kMaxElements;
  for (std::int64_t rank = dice.below(7); rank > 0; --rank) {
    h.shape.push_back(dice.below(std::min<std::int64_t>(left, 40) + 1));
    left /= std::max<std::int64_t>(h.shape.back(), 1);
  }
  return h;
}

TEST(Npy, HeadersComeBack) {
  for (std::uint64_t i = 0; i < 20000; ++i) {
    Dice dice(3, i);
    const npy::Header h = any_header(dice);
    const int version = static_cast<int>(1 + dice.below(3));
    const std::string npy = npy::print(h, version);
    const npy::Parsed p = npy::parse(npy + "data");
    ASSERT_TRUE(p.header == h) << npy;
    ASSERT_EQ(p.size, npy.size());
    ASSERT_EQ(p.version, version);
    ASSERT_EQ(p.size % 64, 0u);
  }
}

/// The complaint about a header's text, and the byte that it points at.
std::string refused(const std::string& text) {
  std::string npy("\x93NUMPY\x01\x00", 8);
  npy += {static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)};
  try {
    npy::parse(npy + text);
    return "";
  } catch (const npy::Error& e) {
    EXPECT_LE(e.byte, npy.size() + text.size());
    return e.what();
  }
}

TEST(Npy, WhatIsWrongIsSaid) {
  EXPECT_EQ(refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"), "");
  EXPECT_EQ(refused("{\"shape\": (5,), 'fortran_order': True, 'descr': '|b1'}\n"), "");
  EXPECT_EQ(refused("{'descr': '|O8', 'fortran_order': False, 'shape': (), }"), "");
  EXPECT_EQ(refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000000000,), }"),
            "byte 61: a size of more than 67108864");
  EXPECT_EQ(refused("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }"),
            "byte 61: a size of more than 67108864");
  EXPECT_EQ(refused("{'descr': '<f4', 'fortran_order': False, 'shape': (8192, 0, 8193), }"),
            "byte 70: more than 67108864 elements");
  EXPECT_EQ(refused("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }"),
            "byte 61: a negative size");
  EXPECT_EQ(refused("{'descr': '<f4', 'fortran_order': False, 'shape': (5), }"),
            "byte 62: ')' stands where ',' (a tuple of one size) was expected");
  EXPECT_EQ(refused("{'descr': '<f4', 'fortran_order': 0, 'shape': (5,), }"),
            "byte 44: '0' stands where True or False was expected");
  EXPECT_EQ(refused("{'descr': '<f4', 'shape': (5,), }"),
            "byte 43: key 'fortran_order' is missing");
  EXPECT_EQ(refused("{'descr': '<f4', 'descr': '<f4'}"), "byte 27: key 'descr' stands twice");
  EXPECT_EQ(refused("{'dtype': '<f4'}"),
            "byte 11: key 'dtype'; 'descr', 'fortran_order' and 'shape' are");
  EXPECT_EQ(refused("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (5,), }"),
            "byte 19: a structured dtype; plain numbers were expected, one array for each field");
  for (const char* dtype : {"f4", "=f4", "<f", "<M8[ns]", "|f4", "<f-4", "<f4096",
                            "<U99999999999999999999", "<", "|O4"})
    EXPECT_EQ(refused(std::string("{'descr': '") + dtype + "'"),
              std::string("byte 19: '") + dtype + "' is no dtype that is read here");
  EXPECT_EQ(refused("{'descr': '<f4"), "byte 20: ''' stands where a string that ends was expected");
  EXPECT_EQ(refused("{'descr'"), "byte 18: the header ends where ':' was expected");
  EXPECT_EQ(refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } x"),
            "byte 70: 'x' stands where the header's end was expected");
  EXPECT_EQ(refused(std::string(10001, ' ')),
            "byte 8: a header of 10001 bytes; 10000 at most were expected");
  EXPECT_THROW(npy::parse(""), npy::Error);
  EXPECT_THROW(npy::parse("\x93NUMPY"), npy::Error);
  EXPECT_THROW(npy::parse(std::string("\x93NUMPY\x04\x00    ", 12)), npy::Error);
  EXPECT_THROW(npy::parse(std::string("\x93NUMPY\x01\x00\x76\x00{", 11)), npy::Error);
}

TEST(Npy, ElementsAreThoseOfEveryForm) {
  std::vector<double> values(2 * 3 * 5);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i) / 4 - 2;
  for (const Dtype dtype : {Dtype::f32, Dtype::f64, Dtype::bf16, Dtype::f16})
    for (const bool big : {false, true})
      for (const bool fortran : {false, true}) {
        const std::string npy = npy_of(dtype, {2, 3, 5}, values, {big, fortran});
        const npy::Parsed p = npy::parse(npy);
        EXPECT_EQ(npy::numbers(p, std::string_view(npy).substr(p.size)), values) << name(dtype);
      }
  const npy::Parsed p = npy::parse(npy_of(1));
  EXPECT_EQ(npy::numbers({{'i', 2, true, false, {}}, 0, 1}, "\xff\xfe"), std::vector<double>{-2});
  EXPECT_EQ(npy::numbers({{'b', 1, false, false, {}}, 0, 1}, "\x01"), std::vector<double>{1});
  EXPECT_THROW(npy::numbers(p, "too few"), npy::Error);
  EXPECT_THROW(npy::numbers({{'O', 8, false, false, {}}, 0, 1}, "12345678"), npy::Error);
  EXPECT_EQ(npy::text({{'S', 7, false, false, {}}, 0, 1}, std::string_view("train\0\0", 7)),
            "train");
  EXPECT_EQ(npy::text({{'U', 2, true, false, {}}, 0, 1}, std::string_view("\0\0\0e\0\0\3\x94", 8)),
            "e?");
}

// ---- The archive.

const auto read_all = [](const Archive& archive) {
  for (const Archive::Array& array : archive.arrays())
    if (npy::is_number(array.parsed.header)) archive.numbers(array);
};

TEST(Archive, WhatIsNoneIsRefused) {
  const std::string path = scratch_file();
  const auto refused_as = [&](const std::string& bytes) {
    write_bytes(path, bytes);
    return complaint(path, read_all);
  };
  const std::string right = read_bytes(corpus("right.npz"));
  EXPECT_EQ(refused_as(right), "");
  EXPECT_EQ(refused_as(npy_of(1)),
            "one array without a name; numpy.savez('f.npz', x=x, y=y, ...) was expected");
  EXPECT_TRUE(refused_as("").starts_with("no archive of arrays: ")) << refused_as("");
  EXPECT_EQ(refused_as("PK\5\6" + std::string(18, '\0')),
            "no archive of arrays: there is nothing in it");
  EXPECT_TRUE(refused_as("text").starts_with("no archive of arrays: "));
  EXPECT_TRUE(refused_as(right.substr(0, right.size() / 2)).starts_with("no archive of arrays: "));
  std::string spoiled = right;
  const std::size_t begin = spoiled.find("\x93NUMPY");  // x, the first array
  spoiled[begin + 200] = static_cast<char>(spoiled[begin + 200] ^ 1);
  EXPECT_EQ(refused_as(spoiled), "x: cannot be read: CRC error");
  std::filesystem::remove(path);
  EXPECT_EQ(complaint(path, read_all), "no archive of arrays: No such file");
  EXPECT_EQ(complaint(testing::TempDir(), read_all), "is a directory; a file was expected");
}

TEST(Archive, NothingIsReadThatTheHeaderDoesNotClaim) {
  const std::string path = scratch_file();
  const std::string three = npy_of(Dtype::f64, {3}, {1, 2, 3});
  const auto refused_as = [&](const Entries& entries, bool deflated = false) {
    write_zip(path, entries, deflated);
    return complaint(path, read_all);
  };
  EXPECT_EQ(refused_as({{"x.npy", three}, {"y.npy", three}}, true), "");
  EXPECT_EQ(refused_as({{"readme.txt", "x"}}),
            "'readme.txt' in it is no array; names that end in .npy were expected");
  EXPECT_EQ(refused_as({{"x.npy", three.substr(0, three.size() - 1)}}),
            "x: byte 128: float64 (3,) takes 24 bytes, and 23 are there");
  EXPECT_EQ(refused_as({{"x.npy", "nonsense"}}),
            "x: byte 0: no .npy: it does not begin with \\x93NUMPY");
  // Bombs: what is small and becomes large, and what is small and claims to be large.
  EXPECT_EQ(refused_as({{"x.npy", three + std::string(std::size_t{1} << 26, '\0')}}, true),
            "x: byte 128: float64 (3,) takes 24 bytes, and 67108888 are there");
  EXPECT_LT(std::filesystem::file_size(path), 100000u);
  npy::Header large;
  large.shape = {kMaxElements};
  EXPECT_EQ(refused_as({{"x.npy", npy::print(large) + "data"}}),
            "x: byte 128: float32 (67108864,) takes 268435456 bytes, and 4 are there");
  Entries many;
  for (int i = 0; i < 65; ++i) many.emplace_back(std::to_string(i) + ".npy", three);
  EXPECT_EQ(refused_as(many), "65 arrays; 64 at most were expected");
  std::filesystem::remove(path);
}

TEST(Archive, AFileOfFlippedBytesIsReadOrRefused) {
  const std::string path = scratch_file(), right = read_bytes(corpus("versions.npz"));
  std::size_t refused = 0;
  for (std::size_t i = 0; i < right.size(); ++i) {
    std::string spoiled = right;
    spoiled[i] = static_cast<char>(~spoiled[i]);
    write_bytes(path, spoiled);
    refused += !complaint(path, [](const Archive& archive) { read_question(archive); }).empty();
  }
  EXPECT_GT(refused, right.size() / 2) << "of " << right.size();
  std::filesystem::remove(path);
}

// ---- The question.

/// The arrays of corpus/npz/right.npz, some of them replaced or (empty) left out.
std::string question_without(const Entries& changed) {
  const Archive archive(corpus("right.npz"));
  Entries entries;
  for (const Archive::Array& array : archive.arrays()) {
    const auto at = std::find_if(changed.begin(), changed.end(),
                                 [&](const auto& entry) { return entry.first == array.name; });
    if (at != changed.end()) continue;
    const npy::Header& h = array.parsed.header;
    entries.emplace_back(array.name + ".npy", h.kind == 'U'
                                                  ? npy_of(archive.text(array))
                                                  : npy_of(h.item == 4 ? Dtype::f32 : Dtype::f64,
                                                           h.shape, archive.numbers(array)));
  }
  for (const auto& [name, bytes] : changed)
    if (!bytes.empty()) entries.emplace_back(name + ".npy", bytes);
  const std::string path = scratch_file();
  write_zip(path, entries);
  const std::string what = complaint(path, [](const Archive& a) { read_question(a); });
  std::filesystem::remove(path);
  return what;
}

TEST(Question, WhatIsWrongIsSaid) {
  const auto zeros = [](Dtype dtype, std::vector<std::int64_t> shape) {
    std::size_t count = 1;
    for (const std::int64_t size : shape) count *= static_cast<std::size_t>(size);
    return npy_of(dtype, std::move(shape), std::vector<double>(count));
  };
  const struct {
    Entries changed;
    std::string what;
  } all[]{
      {{}, ""},
      {{{"dy", ""}}, "dx: a gradient, but dy, the gradient of y, is missing"},
      {{{"x", ""}}, "array x, the input, is missing"},
      {{{"x", zeros(Dtype::f32, {3})}},
       "x: shape (3,); two to five axes were expected: (N, C) or (N, C, spatial...)"},
      {{{"x", zeros(Dtype::f32, {0, 3})}}, "x: shape (0, 3): there is nothing to judge"},
      {{{"x", npy::print({'f', 4, false, false, {1 << 13, 1 << 12}})}},
       "x: shape (8192, 4096): more than 16777216 elements; channels are independent, so a slice "
       "of them in "
       "every array, such as x[:, :8], tells as much"},
      {{{"x", npy::print({'i', 8, false, false, {4, 3, 5, 5}})}},
       "x: dtype int64; float16, float32 or float64 was expected, as by x.astype('float32')"},
      {{{"x", zeros(Dtype::bf16, {4, 3, 5, 5})}},
       "x: dtype V2, which bfloat16 becomes in a file; dtype='bfloat16' beside the arrays says so"},
      {{{"y", zeros(Dtype::f32, {4, 3, 5})}},
       "y: shape (4, 3, 5); that of x, (4, 3, 5, 5), was expected"},
      {{{"y", zeros(Dtype::f16, {4, 3, 5, 5})}},
       "y: dtype float16; float32 or finer was expected, or the rounding alone leaves the radii"},
      {{{"weight", zeros(Dtype::f32, {5})}},
       "weight: shape (5,); shape (3,) was expected: axis 1 of x (4, 3, 5, 5) has the channels; if "
       "they are "
       "its last axis, channel_axis=-1 says so"},
      {{{"weight", zeros(Dtype::f32, {1, 3, 1, 1})}},
       "weight: shape (1, 3, 1, 1); shape (3,) was expected: axis 1 of x (4, 3, 5, 5) has the "
       "channels; "
       "weight.ravel() has it"},
      {{{"weight", npy_of(Dtype::f64, {3}, {1, 0.1, 1})}},
       "weight: 0.1 at element 1 is no value of float32 (x is float32); the nearest is "
       "0.10000000149011612. "
       "weight.astype('float32') was expected"},
      {{{"running_var", ""}, {"running_var_after", ""}},
       "running_mean without running_var; both or neither were expected"},
      {{{"running_var", ""}, {"running_mean", ""}},
       "running_mean_after: but running_mean and running_var, as they were before, are missing"},
      {{{"eps", npy_of(-1)}}, "eps: -1; a finite number of at least 0 was expected"},
      {{{"eps", zeros(Dtype::f64, {3})}}, "eps: shape (3,); one number was expected"},
      {{{"momentum", npy::print({'O', 8, false, false, {}}) + "\x80\x03N."}},
       "momentum: a Python object, such as None, which is not read; a number was expected, or no "
       "array"},
      {{{"mode", ""}}, "mode is missing; mode='train' or mode='eval' was expected"},
      {{{"mode", npy_of("test")}}, "mode: 'test'; 'train' or 'eval' was expected"},
      {{{"mode", npy_of(1)}}, "mode: float64 (); one text was expected"},
      {{{"training", npy_of(1)}},
       "mode and training both say whether it trains; mode='train' or mode='eval' was expected"},
      {{{"mode", npy_of("eval")}, {"running_mean", ""}, {"running_var", ""}},
       "mode 'eval' normalizes by running_mean and running_var, which are missing"},
      {{{"channel_axis", npy_of(0)}},
       "channel_axis: 0; an axis of x (4, 3, 5, 5) but the first was expected"},
      {{{"dtype", npy_of("int8")}},
       "dtype: 'int8'; float32, float64, float16 or bfloat16 was expected"},
      {{{"gamma", npy_of(1)}}, "gamma: is called weight here"},
      {{{"arr_0", npy_of(1)}},
       "arr_0: an array without a name; numpy.savez('f.npz', x=x, y=y, ...) was expected"},
      {{{"wieght", npy_of(1)}},
       "wieght: is not known here; these are: x weight bias running_mean running_var dy eps "
       "momentum mode "
       "training channel_axis dtype y running_mean_after running_var_after save_mean save_invstd "
       "dx dweight "
       "dbias"},
  };
  for (const auto& one : all) EXPECT_EQ(question_without(one.changed), one.what);
  EXPECT_EQ(question_without({{"y", ""},
                              {"running_mean_after", ""},
                              {"running_var_after", ""},
                              {"dx", ""},
                              {"dweight", ""},
                              {"dbias", ""}}),
            "there is nothing to judge: none of y running_mean_after running_var_after save_mean "
            "save_invstd "
            "dx dweight dbias");
}

TEST(Question, AnIndexIsOneOfTheFile) {
  const Question q = read_question(Archive(corpus("channels_last.npz")));
  ASSERT_EQ(q.sizes, (std::vector<std::int64_t>{5, 3, 2, 4}));
  EXPECT_EQ(q.problem.shape.c, 4);
  // (N, C, H, W) = (1, 2, 0, 1) in logical order.
  EXPECT_EQ(index_of(q, Output::y, ((1 * 4 + 2) * 3 + 0) * 2 + 1), "[1,0,1,2]");
  EXPECT_EQ(index_of(q, Output::running_var, 2), "[2]");
  const Question first = with_channel_axis(q, 1), back = with_channel_axis(first, 3);
  EXPECT_EQ(first.problem.shape.c, 3);
  EXPECT_EQ(back.inputs.step[0], q.inputs.step[0]);
  EXPECT_EQ(back.claims[0].values, q.claims[0].values);
  EXPECT_NE(first.inputs.step[0], q.inputs.step[0]);
}

}  // namespace
}  // namespace truenorm::props
