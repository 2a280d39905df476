"""Every sentence that numbers choose: with other numbers it is false, and then it goes.

Each entry of `SENTENCES` has numbers with which its sentence is true and numbers with which it is false.
`test_choices.py` finds the sentences that have no entry here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.show.pages.test_training_page import evaluation
from tests.show.pages.test_verdicts import LEADS
from tests.show.report.sentences import making
from tests.show.report.sentences.making import Numbers

from convscope import worlds
from convscope.nets import LayerAddress, load, record
from convscope.show.report import i18n
from convscope.show.report.figures.network import parameters, unit_texts
from convscope.show.report.figures.training import calibration
from convscope.show.report.worlds import chapters, go, sound


@dataclass(frozen=True)
class Sentence:
    """Words of a sentence in both languages, and numbers with which it is true, and with which it is false."""

    key: str
    en: str
    zh: str
    make: Callable[..., str]
    true: Numbers
    false: tuple[Numbers, ...]


def S(key: str, en: str, zh: str, make: Callable[..., str], true: Numbers, *false: Numbers) -> Sentence:
    return Sentence(key, en, zh, make, true, false)


WRT = {"wrt": "conv1"}
ONE_AREA, TWO_AREAS, SCATTERED = {}, {"places": ((2, 2), (20, 20))}, {"places": making.SCATTERED}
HEARD, COEFFICIENTS = {"axes": "heard"}, {"axes": "coefficients"}
TIED = {**LEADS, "mean": (0.5, 0.7, 0.2)}
CALM = {"first": {"seed": 1}, "second": {"seed": 1}}
QUESTION, STATEMENT = ("question", 0.875), ("statement", 0.75)
SEVEN, ONE = ("seven", 0.9), ("one", 0.6)
APART, TOUCHING = {"position": making.APART}, {"position": making.TOUCHING}
MIXED = {"labels": (0, 1, 2, 3)}
TEXTS = {"of": unit_texts}

EXPLAIN = [
    S("explain.said.class", "gives seven a probability of 90 %", "给出 seven 的概率为 90 %", making.said, {}, {"is_class": False}),
    S("explain.said.value", "seven has the value 0.9.", "seven 的值为 0.9。", making.said, {"is_class": False}, {}),
    S("explain.said.place", "By Saliency, half", "按 Saliency，一半", making.said, {}, {"layer": "conv2"}),
    S("explain.said.place_at", "By Saliency at layer conv2, half", "按 Saliency（conv2 层），", making.said, {"layer": "conv2"}, {}),
    S("explain.said.wrt", "the output of conv1 in place of the input", "conv1 层的输出，而不是输入本身", making.said, WRT, {}, {**WRT, **HEARD}, {**WRT, **COEFFICIENTS}),
    S("explain.said.wrt_heard", "over time and frequency", "时间和频率两个方向", making.said, {**WRT, **HEARD}, {}, WRT, {**WRT, **COEFFICIENTS}),
    S("explain.said.wrt_coefficients", "over time and coefficients", "时间和系数两个方向", making.said, {**WRT, **COEFFICIENTS}, {}, WRT, {**WRT, **HEARD}),
    S("explain.said.fades", "the map becomes another (rank correlation 0.10)", "得到另一张热图（秩相关系数 0.10）", making.said, {"rho": 0.1}, {"rho": 0.8}, {"rho": -0.8}, {}),
    S("explain.said.stays", "the map stays correlated (rank correlation -0.80)", "热图仍然相关（秩相关系数 -0.80）", making.said, {"rho": -0.8}, {"rho": 0.1}, {}),
    S("explain.said.hit", "lies in the box; 60 % of the positive attribution is inside, on 25 % of the picture", "归因值最大的点落在框内；正归因值的 60 % 在框内，框占图像的 25 %", making.said, {"hit": True}, {"hit": False}, {}),
    S("explain.said.miss", "lies outside of the box; 60 % of the positive attribution is inside, on 25 % of the picture", "归因值最大的点不在框内；正归因值的 60 % 在框内，框占图像的 25 %", making.said, {"hit": False}, {"hit": True}, {}),
    S("explain.said.fifth", "largest attribution blurred, the probability is 30 %; with only that fifth sharp, it is 70 %", "位置模糊掉，概率为 30 %；只保留这些位置清晰，概率为 70 %", making.said, {"baseline": "blur"}, {"baseline": "silence"}, {"baseline": "mean"}, {}),
    S("explain.said.fifth_silence", "largest attribution silenced, the probability is 30 %; with only that fifth heard, it is 70 %", "换成静音，概率为 30 %；只保留这些位置，其余静音，概率为 70 %", making.said, {"baseline": "silence"}, {"baseline": "blur"}, {"baseline": "mean"}, {}),
    S("explain.said.fifth_mean", "for the mean input, the probability is 30 %; with only that fifth as it is, 70 %", "平均输入时的值，概率为 30 %；只保留这些位置，概率为 70 %", making.said, {"baseline": "mean"}, {"baseline": "blur"}, {"baseline": "silence"}, {}),
    S("explain.where.one", "lies in one area, at the top left of the picture, on 0.3 % of it", "集中在一个区域，位于图像左上，占图像的 0.3 %", making.where, ONE_AREA, TWO_AREAS, SCATTERED),
    S("explain.where.several", "lies in 2 separate areas (top left, bottom right), on 0.5 % of the picture", "分布在 2 个分开的区域（左上、右下），占图像的 0.5 %", making.where, TWO_AREAS, ONE_AREA, SCATTERED),
    S("explain.where.scattered", "is scattered over many small areas, on 12 % of the picture", "零散分布在许多小区域，占图像的 12 %", making.where, SCATTERED, ONE_AREA, TWO_AREAS),
    S("explain.where.picture", "of the picture, on", "图像左上", making.where, {}, {"cropped": True}),
    S("explain.where.part", "of the part that the network sees, on", "网络所见部分左上", making.where, {"cropped": True}, {}),
    S("explain.where_heard.one", "lies in one area, near", "集中在一个区域，在", making.where, HEARD, {**HEARD, **TWO_AREAS}, {**HEARD, **SCATTERED}, {}),
    S("explain.where_heard.several", "lies in 2 separate areas (", "分布在 2 个分开的区域（", making.where, {**HEARD, **TWO_AREAS}, HEARD, {**HEARD, **SCATTERED}),
    S("explain.where_heard.scattered", "over many small areas, on 12 % of the spectrogram", "许多小区域，占频谱图的 12 %", making.where, {**HEARD, **SCATTERED}, HEARD, SCATTERED),
    S("explain.where_heard.place", "near 150 Hz at 0.20 s", "0.20 s 处 150 Hz", making.where, {**HEARD, "places": ((0, 0),), "side": 4}, {**COEFFICIENTS, "places": ((0, 0),), "side": 4}),
    S("explain.where_heard.time", "near 0.20 s, on", "在0.20 s附近", making.where, {**COEFFICIENTS, "places": ((0, 0),), "side": 4}, {**HEARD, "places": ((0, 0),), "side": 4}),
    S("explain.cards.fades", "random weights: another map (+0.10)", "随机权重：不再相关（+0.10）", making.carded, {"rho": 0.1}, {"rho": 0.8}, {"rho": -0.8}, {}),
    S("explain.cards.keeps", "random weights: correlated (-0.80)", "随机权重：仍相关（-0.80）", making.carded, {"rho": -0.8}, {"rho": 0.1}, {}),
    S("explain.cards.hit", "pointing hit, 60 % inside", "指向命中，框内 60 %", making.carded, {"hit": True}, {"hit": False}, {}),
    S("explain.cards.miss", "pointing miss, 60 % inside", "指向未中，框内 60 %", making.carded, {"hit": False}, {"hit": True}, {}),
    S("explain.cards.drop", "drop 30 %\n", "下降 30 %\n", making.carded, {"rises": False}, {"rises": True}, {}),
    S("explain.cards.rises", "drop 30 %, rises\n", "下降 30 %，上升\n", making.carded, {"rises": True}, {"rises": False}, {}),
    S("explain.cards.gap", "completeness gap 20 %", "完备性误差 20 %", making.carded, {"gap": 0.2}, {"rho": 0.1}, {}),
    S("explain.cards.insertion", "insertion 0.78 (chance 0.50)", "插入 0.78（随机 0.50）", making.carded, {"baseline": "blur"}, {"rho": 0.1}, {}),
    S("explain.cards.deletion", "deletion 0.22 (chance 0.50)", "删除 0.22（随机 0.50）", making.carded, {"baseline": "blur"}, {"rho": 0.1}, {}),
    S("explain.cards.best", "best supported", "最受支持", making.badges, LEADS, TIED, {}),
    S("explain.cards.undecided", "undecided", "难分高下", making.badges, TIED, LEADS, {}),
    S("explain.cards.passes", "passes the checks", "通过检验", making.badges, LEADS, {**LEADS, "stays": (False, True, True)}, {}),
    S("explain.cards.chance", "not shown to be above chance", "未显示优于随机", making.badges, {**LEADS, "blur": (0.8, 0.5, 0.05)}, LEADS, {}),
    S("explain.cards.stays", "correlated with random weights", "权重随机化后仍相关", making.badges, {**LEADS, "stays": (False, False, True)}, LEADS, {}),
    S("explain.cards.stopped", "stopped before its end", "提前停止，未完成", making.badges, {"share": 0.5}, {}),
    S("explain.cards.plain", "no settings", "无设置", making.badges, {}, {"method": "occlusion"}),
    S("explain.figure.shown_input", "the input as the network gets it", "网络得到的输入", making.shown, {}, HEARD),
    S("explain.figure.shown_spectrogram", "the spectrogram that the network makes", "网络由声音得到的频谱图", making.shown, HEARD, {}),
    S("explain.figure.input", "The input", "输入", making.source, {}, HEARD),
    S("explain.figure.spectrogram", "The spectrogram", "频谱图", making.source, HEARD, {}),
    S("explain.numbers.title", "digit 7: the numbers", "digit 7：数值", making.explain_page, LEADS, {}),
    S("explain.read.title", "starts from the blurred picture", "从模糊的图像开始", making.explain_page, {}, HEARD),
    S("explain.read_spectrogram.title", "Maps lie over the spectrogram", "热图叠加在网络由声音得到的频谱图上", making.explain_page, HEARD, {}),
    S("explain.why.several", "Their scores: Alpha 0.80 / 0.50 and Beta 0.50 / 0.70", "它们的得分：Alpha 0.80 / 0.50、Beta 0.50 / 0.70", making.reasons, TIED, LEADS),
]

RUNS = [
    S("runs.difference.clear", "first is more accurate than second, by more than chance**: 2.00 points apart, 95% interval +1.00 to +4.00", "first 比 second 更准确，超出偶然**：相差 2.00 个百分点，95% 区间 +1.00 到 +4.00", making.difference, {"low": 0.01}, {"low": -0.01}, {"low": 0.0}),
    S("runs.difference.chance", "cannot tell first from second: 2.00 points apart may be chance", "无法区分 first 与 second：相差 2.00 个百分点可能出于偶然", making.difference, {"low": -0.01}, {"low": 0.01}),
    S("runs.same", "Their settings are the same.", "它们的设置完全相同。", making.settings, {}, {"seed": (1, 2)}, {"lr": (1, 2)}),
    S("runs.seeds", "differ only in the seed: 85.00% on average, with a standard deviation of 7.07% over 2 runs", "只有随机种子不同：2 次运行平均 85.00%，标准差 7.07%", making.settings, {"seed": (1, 2)}, {}, {"lr": (1, 2)}, {"seed": (1, 2), "lr": (1, 2)}, {"seed": (1, 2), "values": (0.8, None)}),
    S("runs.differ.title", "What differs between them", "它们之间的差别", making.runs_page, {"first": {"seed": 1}, "second": {"seed": 2}}, CALM),
    S("runs.settings.title", "Settings that are not the same: 1", "不相同的设置：1 项", making.runs_page, {"first": {"seed": 1}, "second": {"seed": 2}}, CALM),
    S("runs.curves.title", "The curves of all runs, over 2 epochs", "所有运行的曲线，共 2 轮", making.runs_page, CALM, {"first": {"accuracies": ()}, "second": {"accuracies": ()}}),
]

LOOK = [
    S("look.input.framed", "the frame is the part that the input is made of, 50% of it", "框内是制成输入的部分，占 50%", making.looked, {"size": (80, 40)}, {"size": (64, 64)}, {"size": None}),
    S("look.input.whole", "the input is made of (almost) all of it", "（几乎）全部用于输入", making.looked, {"size": (64, 64)}, {"size": (80, 40)}, {"size": None}),
    S("look.input.made", "The whole file, of which the input is made", "整个文件，输入由它制成", making.looked, {"size": None}, {"size": (64, 64)}, {"size": (80, 40)}),
    S("look.head.health", "A unit is dead if it never changes", "总被后面的 ReLU 变为 0 的单元", making.looked, {"size": (64, 64), "health": True}, {"size": (64, 64)}),
    S("look.head.words", "Along a text, every word has the colour", "沿着文字，每个词", making.read_maps, {"words": True}, {"words": False}),
    S("look.fact.answer", "is the predicted class", "是预测的类别", making.answering, {"net": "digits"}, {"net": None}),
    S("look.crop.said", "The network sees 50 % of the picture", "网络只看到其中的 50 %", making.cropped, {"size": (80, 40)}, {"size": (64, 64)}),
    S("look.crop.note", "cropped: 50 % of the file", "经裁剪：文件的 50 %", making.noted, {"size": (80, 40)}, {"size": (64, 64)}),
    S("look.maps.before", "The 2 layers before it", "它之前的 2 层", making.folded, {"count": 3}, {"count": 2}, {"count": 1}),
    S("look.maps.before_one", "The layer before it", "它之前的一层", making.folded, {"count": 2}, {"count": 3}, {"count": 1}),
    S("look.maps.health", "Over 6 inputs: ", "在 6 个输入上：", making.folded, {"count": 1, "health": True}, {"count": 1}),
    S("look.maps.kernels", "Their kernels, of 3×3", "它们的卷积核，3×3", making.folded, {"count": 1, "kernels": True}, {"count": 1}),
]

UNIT = [
    S("unit.state.alive", "alive", "活跃", making.state, {}, {"dead": True}, {"saturated": True}),
    S("unit.state.dead", "dead", "死", making.state, {"dead": True}, {}, {"saturated": True}),
    S("unit.state.saturated", "saturated", "饱和", making.state, {"saturated": True}, {}, {"dead": True}),
    S("unit.wanted.value", "value 1.25minimised", "数值 1.25\n", making.wanted, {"gradient": True}, {"gradient": False}),
    S("unit.wanted.no_gradient", "value 1.25; no gradient was left", "数值 1.25；已没有梯度，它不含信息\n", making.wanted, {"gradient": False}, {"gradient": True}),
    S("unit.top.title", "The 4 inputs with the highest peaks: 4 are 3, which has 10% of all inputs", "峰值最高的 4 个输入：4 个属于 3（占全部输入的 10%）", making.examples, {}, MIXED, {"bottom": True}),
    S("unit.top.mixed", "no single class leads them by more than chance", "没有单独一类以超出偶然的数量领先", making.examples, MIXED, {}, {"bottom": True}),
    S("unit.bottom.title", "The other end of its range", "取值范围的另一端", making.examples, {"bottom": True}, {}),
    S("unit.field.title", "effective receptive field: 14×14", "有效感受野：14×14", making.field, {"measured": True}, {"measured": False}),
    S("unit_text.top.title", "The 4 texts with the highest peaks: 4 are 3, which has 10% of all texts", "峰值最高的 4 段文字：4 段属于 3（占全部文字的 10%）", making.examples, TEXTS, {**TEXTS, **MIXED}, {**TEXTS, "bottom": True}),
    S("unit_text.top.mixed", "no single class leads them by more than chance", "没有单独一类以超出偶然的数量领先", making.examples, {**TEXTS, **MIXED}, TEXTS),
    S("unit_text.bottom.title", "The other end of its range", "取值范围的另一端", making.examples, {**TEXTS, "bottom": True}, TEXTS),
    S("unit_text.ngrams.title", "The n-gram of largest value, by the unit's own weights: 2.5", "数值最大的 n 元组：2.5", making.ngrams, {"known": True}, {"known": False}),
    S("unit_text.deep.title", "No n-gram in closed form", "没有解析的 n 元组", making.ngrams, {"known": False}, {"known": True}),
]

TRAIN = [
    S("trained.cell.wrong.all", "a taken for b: 3\n", "a 被认成 b：3\n", making.cells, {"truth": 0, "answer": 1, "count": 3}, {"truth": 0, "answer": 1, "count": 30}, {"truth": 0, "answer": 0, "count": 3}),
    S("trained.cell.wrong.some", "a taken for b: 24 of 30\n", "a 被认成 b：显示 30 个中的 24 个\n", making.cells, {"truth": 0, "answer": 1, "count": 30}, {"truth": 0, "answer": 1, "count": 3}, {"truth": 0, "answer": 0, "count": 30}),
    S("trained.cell.right.all", "a, answered rightly: 3\n", "a，回答正确：3\n", making.cells, {"truth": 0, "answer": 0, "count": 3}, {"truth": 0, "answer": 0, "count": 30}, {"truth": 0, "answer": 1, "count": 3}),
    S("trained.cell.right.some", "a, answered rightly: the 6 of 30 with the largest loss", "a，回答正确：30 个中损失最大的 6 个", making.cells, {"truth": 0, "answer": 0, "count": 30}, {"truth": 0, "answer": 0, "count": 3}),
    S("trained.expected.here", "This run: accuracy 91.00%.", "本次运行：accuracy 91.00%。", making.recipe, {}, {"reduced": True}, {"here": ""}),
    S("trained.expected.reduced", "This run, reduced to seconds: accuracy 91.00%.", "本次运行（缩减到数秒）：accuracy 91.00%。", making.recipe, {"reduced": True}, {}, {"here": "", "reduced": True}),
    S("trained.expected.measured", "Measured with these settings before", "此前用这些设置测得", making.recipe, {}, {"measured": False}),
    S("trained.use.resume", "Continue this training:", "继续这次训练：", making.going_on, {"command": "convscope train --resume runs/a"}, {"command": "convscope train runs/a digits"}),
    S("trained.calibrated.title", "Calibration brings confidence and accuracy from 16.50 to 40.00 percentage points apart", "校准使置信度与正确率的差距从 16.50 变为 40.00 个百分点", making.reliable, {"temperature": 0.5, "right": 50}, {"temperature": 1.0, "right": 50}, {"temperature": 0.5}),
    S("trained.calibrated.unproven", "do not differ by more than chance", "此后平均而言，置信度与正确率的差别未超出偶然", making.reliable, {"temperature": 0.5}, {"temperature": 0.5, "right": 50}),
    S("trained.calibration.before", "before, error ", "校准前，误差 ", making.reliable, {"temperature": 1.5}, {"temperature": 1.0}),
    S("trained.calibration.after", "after, error 0.00", "校准后，误差 0.00", making.reliable, {"temperature": 1.5}, {"temperature": 1.0}),
    S("trained.calibration.plain", "test data, error 0.00", "测试数据，误差 0.00", making.reliable, {"temperature": 1.0}, {"temperature": 1.5}),
    S("trained.matrix", "Every test sample, by its class", "全部测试样本", making.mistakes, {"classes": 3}, {"classes": 40}),
    S("trained.list", "The 1 most frequent of 1 kind of mistakes", "1 种错误中最常见的 1 种", making.mistakes, {"classes": 40}, {"classes": 3}),
    S("trained.axes", "rows: the class", "行：真实类别", making.mistakes, {"classes": 3}, {"classes": 40}),
    S("trained.cell.hint", "Each count opens its samples below", "点击任一计数", making.mistakes, {"classes": 3, "images": True}, {"classes": 3}, {"classes": 40, "images": True}),
    S("trained.accuracy.left", "40 of 41 classes are shown, the best and the worst", "共 41 类，显示最好与最差的 40 类", making.accuracies, {"classes": 41}, {"classes": 40}),
    S("trained.duplicates.title", "2 of 10 test pictures are nearly the same as one that was learned from; without them 75.00% of 8 are right", "10 张测试图像中有 2 张与训练图像几乎相同；去掉它们后，8 张中 75.00% 正确", making.copies, {"tests": (0, 9)}, {"tests": (0, 1)}, {"tests": (8, 9)}, {"tests": tuple(range(10))}),
    S("trained.duplicates.all", "All 10 test pictures are nearly the same", "全部 10 张测试图像都与训练图像几乎相同", making.copies, {"tests": tuple(range(10))}, {"tests": (0, 9)}),
    S("trained.duplicates.said", "a and a, correlation 0.980", "a 与 a，相关系数 0.980", making.copies, {"tests": (0,)}, {"tests": (0,), "mirrored": True}),
    S("trained.duplicates.mirrored", "a and a mirrored, correlation 0.980", "a 与镜像的 a，相关系数 0.980", making.copies, {"tests": (0,), "mirrored": True}, {"tests": (0,)}),
    S("trained.attributed.title", "Grad-CAM of 1 wrong answer", "1 个错误回答的 Grad-CAM", making.wrong_answers, {}, {"wrong": False}, {"of_texts": True}),
    S("trained.attributed_texts.title", "Attributions of 1 wrong answer", "1 个错误回答的归因", making.wrong_answers, {"of_texts": True}, {"wrong": False, "of_texts": True}, {}),
]

TOURS = [
    S("go.pooling.title", "4 stones in 4 chains become 4 in 4", "4 子 4 块就变成 4 子 4 块", making.halved, APART, TOUCHING),
    S("go.pooling.title", "6 stones in 2 chains become 3 in 2", "6 子 2 块就变成 3 子 2 块", making.halved, TOUCHING, APART),
    S("go.policy.title", "It would play A1 with 60%", "它以 60% 的概率选择 A1", making.policy, {"A1": 0.6, "A5": 0.3, "B3": 0.1}, {"B3": 0.6, "A1": 0.4}),
    S("go.policy.caption", "70.0% of all probability lies on legal points", "70.0% 的概率落在合法的点上", making.policy, {"A1": 0.6, "A5": 0.3, "B3": 0.1}, {"A1": 0.6, "B3": 0.4}),
    S("go.policy.alt", "A1 is the likeliest", "最可能的是 A1", making.policy, {"A1": 0.6, "B3": 0.4}, {"B3": 0.6, "A1": 0.4}),
    S("sound.pitch.original", "the recording: recognised as seven, 90%", "原录音：识别为 seven，90%", making.pitched, {"first": SEVEN, "second": ONE}, {"first": ONE, "second": SEVEN}),
    S("sound.pitch.higher", "20 % higher: recognised as one, 60%", "高 20 %：识别为 one，60%", making.pitched, {"first": SEVEN, "second": ONE}, {"first": ONE, "second": SEVEN}),
    S("sound.heard.title", "Recognised as “seven”, with 90.0%", "识别为 “seven”，概率 90.0%", making.heard, {"label": "seven", "share": 0.9}, {"label": "one", "share": 0.9}, {"label": "seven", "share": 0.6}),
    S("text.read.title", "English: a question, with 87.5%", "英文：question，概率 87.5%", making.read, {"english": QUESTION, "chinese": STATEMENT}, {"english": STATEMENT, "chinese": QUESTION}),
    S("text.chinese.title", "Chinese: a statement, with 75.0%", "中文：statement，概率 75.0%", making.read, {"english": QUESTION, "chinese": STATEMENT}, {"english": STATEMENT, "chinese": QUESTION}),
]

SENTENCES = [*EXPLAIN, *RUNS, *LOOK, *UNIT, *TRAIN, *TOURS]


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda s: s.key)
def test_a_sentence_is_said_while_it_is_true(sentence: Sentence) -> None:
    made = sentence.make(**sentence.true)
    assert sentence.en in made, made
    assert sentence.zh in made, made
    for numbers in sentence.false:
        made = sentence.make(**numbers)
        assert sentence.en not in made, numbers
        assert sentence.zh not in made, numbers


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda s: s.key)
def test_the_words_are_those_of_the_key(sentence: Sentence, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table names the key that is chosen: with another text of that key, other words are said."""
    key = sentence.key if not sentence.key.endswith((".read.title", ".read_spectrogram.title")) else ""
    key = key or sentence.key.replace(".title", ".lead")
    other = {**i18n.texts(), key: {language: f"[{key} {language}]" for language in i18n.LANGUAGES}}
    monkeypatch.setattr(i18n, "texts", lambda: other)
    made = sentence.make(**sentence.true)
    assert f"[{key} en]" in made and f"[{key} zh]" in made
    assert sentence.en not in made and sentence.zh not in made
