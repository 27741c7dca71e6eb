// Writes metrics in the text format of Prometheus, version 0.0.4.
// https://prometheus.io/docs/instrumenting/exposition_formats/
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mcplb/base/histogram.hpp"

namespace mcplb::admin {

// The labels of one series: pairs of names and values, in the order in which they are shown.
using MetricLabels = std::vector<std::pair<std::string_view, std::string>>;

// Equal labels may be added any number of times: one series has the sum.
class Family {
 public:
  enum class Type : std::uint8_t { counter, gauge, histogram };
  Family(std::string_view name, Type type, std::string_view help)
      : name_(name),
        type_(type),
        help_(help) {}

  // Values beyond 2^53 lose their last digits, as they do in Prometheus.
  void add(const MetricLabels& labels, double value);
  // `bounds_us` are those of the counts, in microseconds; shown in seconds.
  template <std::size_t N, class Bounds>
  void add(const MetricLabels& labels, const HistogramCounts<N>& counts, const Bounds& bounds_us) {
    Buckets& sum = histograms_[text_of(labels)];
    sum.bounds_us.assign(std::begin(bounds_us), std::end(bounds_us));
    sum.in_bucket.resize(N + 1);
    for (std::size_t i = 0; i <= N; ++i) sum.in_bucket[i] += counts.in_bucket[i];
    sum.sum_us += counts.sum_us;
  }

  void append_to(std::string& text) const;

 private:
  struct Buckets {
    std::vector<std::uint64_t> bounds_us;
    std::vector<std::uint64_t> in_bucket;
    std::uint64_t sum_us = 0;
  };
  static std::string text_of(const MetricLabels& labels);
  void append_line(std::string& text, std::string_view suffix, std::string_view labels,
                   double value) const;
  void append_histogram(std::string& text, const std::string& labels, const Buckets& shown) const;

  std::string_view name_;  // static text, as is the help
  Type type_;
  std::string_view help_;
  std::map<std::string, double> values_;  // by the labels as they are shown
  std::map<std::string, Buckets> histograms_;
};

}  // namespace mcplb::admin
