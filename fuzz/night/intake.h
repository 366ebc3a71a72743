// From what targets leave behind to findings: files of JSON, the engine's artifacts, deaths.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine.h"
#include "store.h"
#include "targets.h"

namespace truenorm::night {

/// The finding that a target wrote as DIR/HASH.json. None where the file is no such thing.
std::optional<Finding> read_finding(const std::filesystem::path&);
/// A finding as such a file; more than a target writes, so that findings outlive a database.
std::string to_json(const Finding&);

/// The finding that a process died of: what its log says, and the input that it died of.
Finding finding_of(const Death&, const Target&, const std::string& subject,
                   const std::string& input);

/// All that lies in a job's folder: findings/*.json, and artifacts/* as the log explains them. Each
/// with the file that it stands in.
struct Left {
  Finding finding;
  std::filesystem::path file;
};
std::vector<Left> left_in(const std::filesystem::path& job, const Target&,
                          const std::string& subject, std::string_view log);

/// The name of the file that a finding's input is kept in: the target, so that the file tells whose
/// it is, and a digest of the key.
std::string file_name(const Finding&);

}  // namespace truenorm::night
