from brushflow.common.wording import all_of, counted


def test_one_is_not_many():
    assert [counted(number, "frame") for number in (0, 1, 2)] == ["0 frames", "1 frame", "2 frames"]


def test_all_may_be_one():
    said = [all_of(number, "frame") for number in (1, 2, 3)]
    assert said == ["The only frame is", "Both frames are", "All 3 frames are"]
