// The progress bar of `backplane run --progress`: how much of its input the host has read, from the gauges
// bytes_read and bytes_total of its components. Main thread.
#pragma once

#include <cstdint>
#include <string>

namespace backplane::host {

class Runtime;

class RunProgress {
 public:
  // Shows nothing unless `shown`. On a terminal a bar is drawn again and again, elsewhere a line now and
  // then.
  RunProgress(const Runtime& runtime, bool shown);
  ~RunProgress();  // shows the last state
  RunProgress(const RunProgress&) = delete;
  RunProgress& operator=(const RunProgress&) = delete;

  // Looks at the gauges; call it every 100 ms or so.
  void look();

 private:
  void show(bool last);

  const Runtime& runtime_;
  bool shown_;
  bool terminal_;
  std::int64_t began_;
  std::int64_t drawn_ = 0;
  std::size_t width_ = 0;
};

}  // namespace backplane::host
